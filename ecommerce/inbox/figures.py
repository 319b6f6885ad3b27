"""What an inbox holds, for people: counts, what is parked, and what became of single messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from ecommerce.db.plans import planned_each_time
from ecommerce.inbox.registry import listeners

COUNTS = """
    SELECT (SELECT coalesce(sum(n_live_tup), 0)::bigint FROM pg_stat_user_tables
             WHERE schemaname = current_schema() AND relname = 'inbox_message'),
           count(*) FILTER (WHERE status = 'RETRY'), count(*) FILTER (WHERE status = 'PARKED')
    FROM inbox_parked
"""
AT_MOST = """
    SELECT count(*) FILTER (WHERE status = 'RETRY'), count(*) FILTER (WHERE status = 'PARKED'),
           (SELECT count(*) FROM inbox_replay WHERE status = 'RUNNING')
    FROM (SELECT status FROM inbox_parked LIMIT %s) AS p
"""
PARKED = """
    SELECT id, consumer, event_type, partition_key, status, attempts, reason FROM inbox_parked
    ORDER BY id LIMIT %s
"""
RETRIABLE_IDS = """
    SELECT id FROM inbox_parked
    WHERE message_id IS NOT NULL AND (consumer <> %s OR event_type = ANY(%s)) ORDER BY id
"""
OUTCOMES = """
    SELECT w.consumer, w.message_id, coalesce(m.outcome, p.state)
    FROM unnest(%(consumers)s::text[], %(ids)s::uuid[]) AS w (consumer, message_id)
    LEFT JOIN inbox_message AS m ON m.consumer = w.consumer AND m.message_id = w.message_id
    LEFT JOIN LATERAL (
        SELECT CASE WHEN k.consumer = w.consumer THEN 'PARKED' ELSE 'UNKNOWN' END AS state FROM inbox_parked AS k
        WHERE k.consumer IN (w.consumer, split_part(w.consumer, '.', 1)) AND k.message_id = w.message_id
        ORDER BY k.consumer DESC LIMIT 1
    ) AS p ON true
    WHERE m.message_id IS NOT NULL OR p.state IS NOT NULL
"""
"""A message whose type nobody knew is parked under the name of the context, which sorts before its handlers' names."""


class InboxFigures(NamedTuple):
    """``handled`` is PostgreSQL's own estimate. ``waiting`` messages will be tried again, ``parked`` ones not."""

    handled: int
    waiting: int
    parked: int


class InboxNow(NamedTuple):
    """What is parked, counted no further than was asked for, and how many replays are under way."""

    waiting: int
    parked: int
    replays: int


class Parked(NamedTuple):
    """A message that a handler could not take, or that stands behind one of those."""

    id: int
    consumer: str
    type: str
    key: str
    status: str
    attempts: int
    reason: str


def figures(alias: str) -> InboxFigures:
    """Count the inbox of one context. One statement, which reads what is parked and nothing of what was handled."""
    with planned_each_time(alias) as cursor:
        cursor.execute(COUNTS)
        return InboxFigures(*cursor.fetchone())


def now(alias: str, *, most: int) -> InboxNow:
    """Count what is parked in one context, up to ``most`` messages. One statement whose cost has a bound."""
    with planned_each_time(alias) as cursor:
        cursor.execute(AT_MOST, [most])
        return InboxNow(*cursor.fetchone())


def parked(alias: str, *, limit: int) -> list[Parked]:
    """Return the first ``limit`` parked messages, oldest first, those that will be tried again included."""
    with planned_each_time(alias) as cursor:
        cursor.execute(PARKED, [limit])
        return [Parked(*row) for row in cursor.fetchall()]


def retriable_ids(alias: str) -> list[int]:
    """Return the numbers of the parked messages that ``staff.retry`` would take: not those that nobody could read, nor
    those of a type that no handler of this program knows."""
    with planned_each_time(alias) as cursor:
        cursor.execute(RETRIABLE_IDS, [alias, list(listeners(alias))])
        return [number for (number,) in cursor.fetchall()]


def outcomes(alias: str, wanted: Sequence[tuple[str, UUID]]) -> dict[tuple[str, UUID], str]:
    """Return what became of messages, given as (consumer, message id): an ``Outcome``, ``PARKED``, or ``UNKNOWN`` for
    one that is parked because the context knew no handler of its type.

    One statement. A message that never arrived is left out.
    """
    parameters: dict[str, Any] = {"consumers": [name for name, _ in wanted], "ids": [number for _, number in wanted]}
    with planned_each_time(alias) as cursor:
        cursor.execute(OUTCOMES, parameters)
        return {(consumer, message_id): outcome for consumer, message_id, outcome in cursor.fetchall()}
