"""What an outbox holds, for people: counts, and the events that did not leave."""

from __future__ import annotations

from typing import NamedTuple

from ecommerce.db.plans import planned_each_time
from ecommerce.observability.health import Unhealthy
from ecommerce.topology import local_aliases

RELAY_SILENT_SECONDS = 15
"""A relay shows itself every three seconds."""

COUNTS = """
    SELECT count(*) FILTER (WHERE status = 'PENDING'), count(*) FILTER (WHERE status = 'BLOCKED'),
           count(*) FILTER (WHERE status = 'PARKED'),
           extract(epoch FROM clock_timestamp() - min(created_at) FILTER (WHERE status = 'PENDING'))::float8,
           (SELECT coalesce(sum(n_live_tup), 0)::bigint FROM pg_stat_user_tables
             WHERE schemaname = current_schema() AND relname ~ '^outbox_archive')
    FROM outbox_event
"""
AT_MOST = """
    SELECT (SELECT count(*) FROM (SELECT 1 FROM outbox_event WHERE status = 'PENDING' LIMIT %(most)s) AS e),
           (SELECT count(*) FROM (SELECT 1 FROM outbox_event WHERE status = 'BLOCKED' LIMIT %(most)s) AS e),
           (SELECT count(*) FROM (SELECT 1 FROM outbox_event WHERE status = 'PARKED' LIMIT %(most)s) AS e),
           (SELECT extract(epoch FROM clock_timestamp() - created_at)::float8
              FROM outbox_event WHERE status = 'PENDING' ORDER BY id LIMIT 1),
           (SELECT extract(epoch FROM clock_timestamp() - max(seen_at))::float8 FROM outbox_relay)
"""
HELD = """
    SELECT id, event_type, aggregate_id, status, attempts, last_error FROM outbox_event
    WHERE status <> 'PENDING' ORDER BY id LIMIT %s
"""
HELD_IDS = "SELECT id FROM outbox_event WHERE status <> 'PENDING' ORDER BY id"


class OutboxFigures(NamedTuple):
    """``oldest`` is the age in seconds of the oldest pending event, None without one. ``archived`` is PostgreSQL's own
    estimate: free at any size."""

    pending: int
    blocked: int
    parked: int
    oldest: float | None
    archived: int


class OutboxNow(NamedTuple):
    """Counts go no further than was asked for. ``relay_silent``: seconds since a relay was seen, None if never."""

    pending: int
    blocked: int
    parked: int
    oldest: float | None
    relay_silent: float | None


class HeldEvent(NamedTuple):
    """An event that the broker refused: BLOCKED until its next attempt, or PARKED. ``id`` is its outbox number."""

    id: int
    type: str
    key: str
    status: str
    attempts: int
    reason: str


def figures(alias: str) -> OutboxFigures:
    """Count the outbox of one context. One statement, which reads the whole outbox and nothing of the archive."""
    with planned_each_time(alias) as cursor:
        cursor.execute(COUNTS)
        return OutboxFigures(*cursor.fetchone())


def now(alias: str, *, most: int) -> OutboxNow:
    """Count the outbox of one context up to ``most`` of each kind. One statement whose cost has a bound."""
    with planned_each_time(alias) as cursor:
        cursor.execute(AT_MOST, {"most": most})
        return OutboxNow(*cursor.fetchone())


def held(alias: str, *, limit: int) -> list[HeldEvent]:
    """Return the first ``limit`` events that are blocked or parked, oldest first."""
    with planned_each_time(alias) as cursor:
        cursor.execute(HELD, [limit])
        return [HeldEvent(*row) for row in cursor.fetchall()]


def held_ids(alias: str) -> list[int]:
    """Return the numbers of all events that are blocked or parked: what ``staff.retry`` would take."""
    with planned_each_time(alias) as cursor:
        cursor.execute(HELD_IDS)
        return [number for (number,) in cursor.fetchall()]


def check_relays() -> None:
    """Raise Unhealthy with the contexts whose outbox no relay drains: no worker runs, or it hangs."""
    silent = {alias: now(alias, most=1).relay_silent for alias in local_aliases()}
    if alone := [alias for alias, seconds in silent.items() if seconds is None or seconds > RELAY_SILENT_SECONDS]:
        raise Unhealthy(f"no relay of {', '.join(alone)}")
