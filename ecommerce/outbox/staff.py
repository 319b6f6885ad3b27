"""What a person does about events that do not leave the outbox."""

from __future__ import annotations

from collections.abc import Collection

import structlog
from django.db import connections

from ecommerce.outbox.wake import wake

RETRY = """
    UPDATE outbox_event SET status = 'PENDING', attempts = 0, available_at = NULL
    WHERE id = ANY(%s) AND status IN ('BLOCKED', 'PARKED')
    RETURNING id
"""
FORGET = """
    DELETE FROM outbox_event WHERE id = %s AND status = 'PARKED'
    RETURNING event_id, event_type, aggregate_id, aggregate_version
"""

log = structlog.get_logger(__name__)


def retry(alias: str, ids: Collection[int]) -> set[int]:
    """Let the relay try blocked and parked events again at once, with all its attempts; return the numbers of those.

    Events of one aggregate leave in order: a later one still waits for an earlier one.
    """
    with connections[alias].cursor() as cursor:
        cursor.execute(RETRY, [list(ids)])
        taken = {number for (number,) in cursor.fetchall()}
    wake(alias)
    return taken


def discard(alias: str, number: int, *, reason: str, actor: str) -> bool:
    """Give a parked event up for good: nobody will ever hear of it, and those behind it go on. Return False if it is
    not parked any more."""
    with connections[alias].cursor() as cursor:
        cursor.execute(FORGET, [number])
        row = cursor.fetchone()
    if row is None:
        return False
    event_id, event_type, subject, version = row
    log.warning(
        "event_discarded", context=alias, event_id=str(event_id), event_type=event_type, subject=subject,
        version=version, reason=reason, actor=actor,
    )  # fmt: skip
    wake(alias)
    return True
