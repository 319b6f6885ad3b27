"""Waking the relay after a commit.

A NOTIFY inside the business transaction would take a server-wide lock at commit. So a thread of this process sends it
afterwards, on a connection of its own, once for all commits of the last few milliseconds. A lost notification costs
nothing but the relay's polling interval.
"""

from __future__ import annotations

import threading

import structlog
from django.db import connections

QUIET = 0.005
"""Seconds between two notifications of one context by one process."""

log = structlog.get_logger(__name__)


def wake(alias: str) -> None:
    """Tell the relays of ``alias`` that there is work. Call it after the commit; it returns at once."""
    _notifier().signal(alias)


def channel(alias: str) -> str:
    """Return the notification channel of a context's outbox."""
    return f"outbox_{alias}"


class Notifier(threading.Thread):
    def __init__(self) -> None:
        super().__init__(name="outbox-wake", daemon=True)
        self._condition = threading.Condition()
        self._aliases: set[str] = set()

    def signal(self, alias: str) -> None:
        with self._condition:
            self._aliases.add(alias)
            self._condition.notify()

    def run(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._aliases)
                aliases, self._aliases = self._aliases, set()
            for alias in aliases:
                try:
                    self._notify(alias)
                except Exception as error:
                    log.warning("outbox_wake_failed", context=alias, error=repr(error))
            threading.Event().wait(QUIET)

    def _notify(self, alias: str) -> None:
        connection = connections[alias]
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_notify(%s, '')", [channel(alias)])
        finally:
            connection.close()


_starting = threading.Lock()
_started: Notifier | None = None


def _notifier() -> Notifier:
    """Return the thread of this process; one that a fork left behind is replaced."""
    global _started
    if _started is None or not _started.is_alive():
        with _starting:
            if _started is None or not _started.is_alive():
                _started = Notifier()
                _started.start()
    return _started
