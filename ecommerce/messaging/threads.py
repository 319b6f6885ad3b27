"""Long-running threads of a worker process: they restart after an error and stop when told."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable

import structlog
from django.db import connections

from ecommerce.observability import context

log = structlog.get_logger(__name__)


class Pulse(threading.Event):
    """What a thread is told to stop by. Looking at it is the sign of life: a thread that hangs does not look."""

    def __init__(self) -> None:
        super().__init__()
        self.felt_at: float | None = None
        """On the monotonic clock; None since the thread began anew."""

    def is_set(self) -> bool:
        self.felt_at = time.monotonic()
        return super().is_set()

    def wait(self, timeout: float | None = None) -> bool:
        self.felt_at = time.monotonic()
        return super().wait(timeout)


class Supervised(threading.Thread):
    """Runs ``target(stop)`` until ``stop`` is set; after an exception it waits, with growing jitter, and runs again.

    ``target`` must check ``stop`` at least once a second, but while it works, and returns when it is set.
    """

    LONGEST_PAUSE = 10.0

    def __init__(self, name: str, target: Callable[[threading.Event], None]) -> None:
        super().__init__(name=name, daemon=True)
        self._target_function = target
        self._ending = threading.Event()
        self._pulse = Pulse()

    def run(self) -> None:
        with context.bound():
            self._run()

    def _run(self) -> None:
        failures = 0
        while not self._ending.is_set():
            try:
                self._target_function(self._pulse)
                failures = 0
            except Exception:
                failures += 1
                self._pulse.felt_at = None
                log.exception("thread_failed", thread=self.name, failures=failures)
                self._ending.wait(random.uniform(0, min(self.LONGEST_PAUSE, 0.1 * 2**failures)))  # noqa: S311
            finally:
                connections.close_all()

    def is_well(self, *, within: float) -> bool:
        """Tell whether the target was seen at work in the last ``within`` seconds, and not to fail since."""
        felt_at = self._pulse.felt_at
        return self.is_alive() and felt_at is not None and time.monotonic() - felt_at < within

    def stop(self) -> None:
        """Ask the thread to end; ``join`` waits for it."""
        self._ending.set()
        self._pulse.set()
