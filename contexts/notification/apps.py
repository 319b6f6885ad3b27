from ecommerce.apps import ContextConfig


class NotificationConfig(ContextConfig):
    name = "contexts.notification"
    label = "notification"
    verbose_name = "Notificações"
