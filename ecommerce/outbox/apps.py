from django.apps import AppConfig


class OutboxConfig(AppConfig):
    name = "ecommerce.outbox"
    label = "outbox"
    verbose_name = "Outbox"

    def ready(self) -> None:
        from ecommerce.observability import health
        from ecommerce.outbox.figures import check_relays

        health.register("relay", check_relays, essential=False)
