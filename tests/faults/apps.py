"""The application that adds the counted event to a worker, and puts its clock wrong."""

import os
import time
from datetime import UTC, datetime, timedelta

from django.apps import AppConfig


class FaultsConfig(AppConfig):
    name = "tests.faults"
    label = "faults"

    def ready(self) -> None:
        from ecommerce.inbox import registry
        from tests.faults.counted import Counted, count_effect

        handler = registry.Handler("cart.count_effect", "cart", Counted, count_effect)
        registry._handlers[handler.name] = handler

        if shift := float(os.environ.get("FAULT_CLOCK_SHIFT", 0)):
            _shift_clock(shift)


def _shift_clock(seconds: float) -> None:
    """Let this process believe that it is later, or earlier."""
    from ecommerce import clock

    real = time.time
    clock.now = lambda: datetime.now(UTC) + timedelta(seconds=seconds)
    time.time = lambda: real() + seconds
