"""What a person does about messages that a handler could not take."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

import structlog
from django.db import connections, transaction

from ecommerce.inbox.registry import listeners

RETRY = """
    UPDATE inbox_parked SET status = 'RETRY', attempts = 0, available_at = %(now)s
    WHERE id = ANY(%(ids)s) AND consumer <> %(context)s AND message_id IS NOT NULL
    RETURNING id
"""
HAND_ON = """
    WITH known AS (
        DELETE FROM inbox_parked
        WHERE id = ANY(%(ids)s) AND consumer = %(context)s AND message_id IS NOT NULL
          AND event_type = ANY(%(types)s::text[])
        RETURNING *
    ), handed_on AS (
        INSERT INTO inbox_parked (consumer, message_id, partition_key, event_type, headers, body, reason, status,
                                  attempts, available_at, created_at)
        SELECT l.handler, k.message_id, k.partition_key, k.event_type, k.headers, k.body, k.reason, 'RETRY',
               0, %(now)s, k.created_at
        FROM known AS k JOIN unnest(%(types)s::text[], %(handlers)s::text[]) AS l (type, handler)
             ON l.type = k.event_type
        ORDER BY k.id, l.handler
        ON CONFLICT (consumer, message_id) DO NOTHING
    )
    SELECT id FROM known
"""
"""A message of a type that nobody knew is parked under the name of the context. Now each of its handlers gets it."""
FORGET = """
    WITH gone AS (DELETE FROM inbox_parked WHERE id = %s RETURNING consumer, message_id, event_type),
    noted AS (
        INSERT INTO inbox_message (consumer, message_id, event_type, outcome, handled_at)
        SELECT consumer, message_id, event_type, 'DISCARDED', clock_timestamp() FROM gone WHERE message_id IS NOT NULL
        ON CONFLICT (consumer, message_id) DO NOTHING
    )
    SELECT consumer, message_id, event_type FROM gone
"""

log = structlog.get_logger(__name__)


def retry(alias: str, ids: Collection[int], *, now: datetime) -> set[int]:
    """Let the consumer try parked messages again at once, with all its attempts; return the numbers of those.

    Those behind an earlier one of their key still wait for it. A message of a type that no handler knew goes to the
    handlers that know it by now, under new numbers, as it would have when it came. What could not be read, and what
    still nobody knows, is left as it is.
    """
    pairs = [(type_, handler.name) for type_, found in listeners(alias).items() for handler in found]
    parameters: dict[str, Any] = {
        "ids": list(ids), "context": alias, "now": now,
        "types": [type_ for type_, _ in pairs], "handlers": [name for _, name in pairs],
    }  # fmt: skip
    taken: set[int] = set()
    with transaction.atomic(using=alias), connections[alias].cursor() as cursor:
        for statement in (RETRY, HAND_ON):
            cursor.execute(statement, parameters)
            taken.update(number for (number,) in cursor.fetchall())
    return taken


def discard(alias: str, parked_id: int, *, reason: str, actor: str) -> bool:
    """Give a parked message up for good, so that those behind it go on; return False if it is not there any more.

    The inbox remembers it as handled: should it be delivered again, nothing happens.
    """
    with transaction.atomic(using=alias), connections[alias].cursor() as cursor:
        cursor.execute(FORGET, [parked_id])
        row = cursor.fetchone()
    if row is None:
        return False
    consumer, message_id, event_type = row
    log.warning(
        "message_discarded", consumer=consumer, message_id=str(message_id), event_type=event_type, reason=reason,
        actor=actor,
    )  # fmt: skip
    return True
