from django.apps import AppConfig


class InboxConfig(AppConfig):
    name = "ecommerce.inbox"
    label = "inbox"
    verbose_name = "Inbox"
