from django.apps import AppConfig


class BackOfficeConfig(AppConfig):
    """Templates, static files and the shape of the admin: what belongs to all contexts at once."""

    name = "config"
    label = "config"
    verbose_name = "Loja"

    def ready(self) -> None:
        from ecommerce.messaging.configured import check_broker
        from ecommerce.observability import health

        health.register("broker", check_broker, essential=False)
