"""The application that adds the counted event to a worker, puts its clock wrong, and lets it die where it is told."""

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

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
        _prepare_sagas()


def _shift_clock(seconds: float) -> None:
    """Let this process believe that it is later, or earlier."""
    from ecommerce import clock

    real = time.time
    clock.now = lambda: datetime.now(UTC) + timedelta(seconds=seconds)
    time.time = lambda: real() + seconds


def _prepare_sagas() -> None:
    """Plant a defect, be old or new code, and die where it is said: each if the environment asks for it."""
    from tests.faults import boundaries, versions
    from tests.faults.sabotage import SABOTAGE

    if defect := os.environ.get("FAULT_SABOTAGE"):
        SABOTAGE[defect]()
    if code := os.environ.get("FAULT_CODE"):
        versions.CODE[code]()
    if folder := os.environ.get("FAULT_DEATHS"):
        boundaries.install(Path(folder))
