from django.apps import AppConfig


class ObservabilityConfig(AppConfig):
    name = "ecommerce.observability"
    label = "observability"
    verbose_name = "Observability"
