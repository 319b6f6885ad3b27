"""What the front page shows of the running system: which parts are well, what waits, what happened last.

Event types and times only: no ids of customers or orders, no payloads.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from uuid import UUID

from django.db import DatabaseError, connections

from ecommerce import clock
from ecommerce.inbox.registry import handlers
from ecommerce.observability import health
from ecommerce.observability.health import Check
from ecommerce.topology import Context, current

FRESH_SECONDS = 1.0
COUNT_AT_MOST = 1000
EVENTS = 12
RELAY_SILENT_SECONDS = 15

COUNTS = """
    SELECT (SELECT count(*) FROM (SELECT 1 FROM outbox_event WHERE status <> 'PARKED' LIMIT %(most)s) AS e),
           (SELECT count(*) FROM (SELECT 1 FROM outbox_event WHERE status = 'PARKED' LIMIT %(most)s) AS e)
           + (SELECT count(*) FROM (SELECT 1 FROM inbox_parked WHERE status = 'PARKED' LIMIT %(most)s) AS p),
           (SELECT extract(epoch FROM clock_timestamp() - created_at)::float8
              FROM outbox_event WHERE status = 'PENDING' ORDER BY id LIMIT 1),
           (SELECT extract(epoch FROM clock_timestamp() - max(seen_at))::float8 FROM outbox_relay),
           (SELECT coalesce(sum(n_live_tup), 0)::bigint FROM pg_stat_user_tables
             WHERE schemaname = current_schema() AND relname ~ '^outbox_archive'),
           (SELECT coalesce(sum(n_live_tup), 0)::bigint FROM pg_stat_user_tables
             WHERE schemaname = current_schema() AND relname = 'inbox_message')
"""
"""The last two are PostgreSQL's own estimates: exact enough to watch, and free at any size."""
LATEST = """
    (SELECT event_id, event_type, created_at, published_at FROM outbox_archive
      WHERE published_at > now() - interval '7 days' ORDER BY published_at DESC, id DESC LIMIT %(most)s)
    UNION ALL
    (SELECT event_id, event_type, created_at, NULL FROM outbox_event ORDER BY id DESC LIMIT %(most)s)
"""


@dataclass(frozen=True)
class ContextStatus:
    """``waiting`` events are not at the broker yet, the oldest for ``lag`` seconds; ``parked`` ones need a person."""

    name: str
    local: bool
    healthy: bool
    waiting: int = 0
    parked: int = 0
    lag: float | None = None
    relay_silent: float | None = None
    """Seconds since a relay was last seen; None when there never was one."""
    published: int = 0
    handled: int = 0


@dataclass(frozen=True)
class LatestEvent:
    id: UUID
    type: str
    context: str
    created_at: datetime
    published_at: datetime | None
    subscribers: list[str]


@dataclass(frozen=True)
class Status:
    at: datetime
    healthy: bool
    checks: dict[str, Check]
    relay: bool
    """Whether a relay of every local context was seen lately."""
    contexts: list[ContextStatus]
    events: list[LatestEvent]


class Remembered:
    """The last status. It is made again after ``FRESH_SECONDS``, by one thread; others get the old one meanwhile."""

    def __init__(self, make: Callable[[], Status]) -> None:
        self._make = make
        self._lock = Lock()
        self._status: Status | None = None
        self._made_at = 0.0

    def get(self) -> Status:
        status = self._status
        if status is not None and time.monotonic() - self._made_at < FRESH_SECONDS:
            return status
        if not self._lock.acquire(blocking=status is None):
            assert status is not None
            return status
        try:
            if self._status is None or time.monotonic() - self._made_at >= FRESH_SECONDS:
                self._status = self._make()
                self._made_at = time.monotonic()
            return self._status
        finally:
            self._lock.release()


def take() -> Status:
    """Ask every part now. Costs four short queries for each local context, whatever the size of its tables."""
    checks = health.run()
    contexts = [_context(each, checks) for each in current().contexts]
    local = [each for each in contexts if each.local]
    events = [event for each in local if each.healthy for event in _latest(each.name)]
    events.sort(key=lambda event: event.created_at, reverse=True)
    return Status(
        at=clock.now(),
        healthy=all(check.healthy for check in checks.values()) and all(each.healthy for each in local),
        checks=checks,
        relay=all(each.relay_silent is not None and each.relay_silent < RELAY_SILENT_SECONDS for each in local),
        contexts=contexts,
        events=events[:EVENTS],
    )


latest = Remembered(take)


def _context(context: Context, checks: dict[str, Check]) -> ContextStatus:
    if not context.local:
        return ContextStatus(context.name, local=False, healthy=False)
    check = checks[f"database.{context.alias}"]
    if not check.healthy:
        return ContextStatus(context.name, local=True, healthy=False)
    try:
        with connections[context.alias].cursor() as cursor:
            cursor.execute(COUNTS, {"most": COUNT_AT_MOST})
            waiting, parked, lag, silent, published, handled = cursor.fetchone()
    except DatabaseError:  # no tables yet: the migrations tell the rest
        return ContextStatus(context.name, local=True, healthy=False)
    return ContextStatus(
        context.name,
        local=True,
        healthy=True,
        waiting=waiting,
        parked=parked,
        lag=lag,
        relay_silent=silent,
        published=published,
        handled=handled,
    )


def _latest(alias: str) -> list[LatestEvent]:
    with connections[alias].cursor() as cursor:
        cursor.execute(LATEST, {"most": EVENTS})
        rows = cursor.fetchall()
    return [
        LatestEvent(event_id, type_, alias, created_at, published_at, _subscribers(type_))
        for event_id, type_, created_at, published_at in rows
    ]


def _subscribers(event_type: str) -> list[str]:
    return sorted({handler.context for handler in handlers(event_type=event_type)})
