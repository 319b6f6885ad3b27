"""Long-running threads of a worker process: they restart after an error and stop when told."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

import structlog
from django.db import connections

log = structlog.get_logger(__name__)


class Supervised(threading.Thread):
    """Runs ``target(stop)`` until ``stop`` is set; after an exception it waits, with growing jitter, and runs again.

    ``target`` must check ``stop`` at least once a second and returns when it is set.
    """

    LONGEST_PAUSE = 10.0

    def __init__(self, name: str, target: Callable[[threading.Event], None]) -> None:
        super().__init__(name=name, daemon=True)
        self._target_function = target
        self._stop_event = threading.Event()

    def run(self) -> None:
        failures = 0
        while not self._stop_event.is_set():
            try:
                self._target_function(self._stop_event)
                failures = 0
            except Exception:
                failures += 1
                log.exception("thread_failed", thread=self.name, failures=failures)
                self._stop_event.wait(random.uniform(0, min(self.LONGEST_PAUSE, 0.1 * 2**failures)))  # noqa: S311
            finally:
                connections.close_all()

    def stop(self) -> None:
        """Ask the thread to end; ``join`` waits for it."""
        self._stop_event.set()
