"""The application that adds the counted event to a worker."""

from django.apps import AppConfig


class FaultsConfig(AppConfig):
    name = "tests.faults"
    label = "faults"

    def ready(self) -> None:
        from ecommerce.inbox import registry
        from tests.faults.counted import Counted, count_effect

        handler = registry.Handler("cart.count_effect", "cart", Counted, count_effect)
        registry._handlers[handler.name] = handler
