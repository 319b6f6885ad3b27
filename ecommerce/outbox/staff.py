"""What a person does about events that do not leave the outbox."""

from __future__ import annotations

from collections.abc import Collection

from django.db import connections

from ecommerce.outbox.wake import wake

RETRY = """
    UPDATE outbox_event SET status = 'PENDING', attempts = 0, available_at = NULL
    WHERE id = ANY(%s) AND status IN ('BLOCKED', 'PARKED')
"""


def retry(alias: str, ids: Collection[int]) -> int:
    """Let the relay try blocked and parked events again at once, with all its attempts; return how many there were.

    Events of one aggregate leave in order: a later one still waits for an earlier one.
    """
    with connections[alias].cursor() as cursor:
        cursor.execute(RETRY, [list(ids)])
        count: int = cursor.rowcount
    wake(alias)
    return count
