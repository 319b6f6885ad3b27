"""Who asks a gateway about a payment: one at a time, though several may want to at the same moment."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.db import connections

UNDERTAKE = """
    UPDATE payment_attempts SET asked_at = %(now)s
    WHERE id = %(id)s AND status IN ('pending', 'requires_action') AND coalesce(asked_at, created_at) <= %(before)s
"""
UNDERTAKE_NEXT = """
    UPDATE payment_attempts SET asked_at = %(now)s
    WHERE id = (
        SELECT id FROM payment_attempts
        WHERE status IN ('unknown', 'pending', 'requires_action', 'authorized')
          AND method = %(method)s AND updated_at <= %(before)s AND (asked_at IS NULL OR asked_at <= %(before)s)
          AND (status <> 'authorized' OR NOT captures_later OR updated_at <= %(held_before)s)
          AND gateway <> ALL(%(silent)s::text[])
        ORDER BY updated_at LIMIT 1 FOR UPDATE SKIP LOCKED
    )
    RETURNING id
"""


def undertake_to_ask(attempt_id: UUID, *, before: datetime, now: datetime) -> bool:
    """Undertake to ask about an open payment that nobody has undertaken to ask about since ``before``.

    Of several at the same moment one gets True. One statement, which commits at once: the asking comes after it.
    """
    with connections["order"].cursor() as cursor:
        cursor.execute(UNDERTAKE, {"id": attempt_id, "before": before, "now": now})
        return bool(cursor.rowcount)


def undertake_to_ask_next(
    method: str, *, before: datetime, held_before: datetime, now: datetime, silent: Collection[str] = ()
) -> UUID | None:
    """Undertake to ask about the payment by ``method`` that is silent for longest, if one is since ``before``.

    For money that is held until the parcel leaves it is ``held_before``, if that is earlier. Gateways that are
    ``silent`` are left out. Parallel callers get different ones. One statement, which commits at once.
    """
    with connections["order"].cursor() as cursor:
        cursor.execute(
            UNDERTAKE_NEXT,
            {"method": method, "before": before, "held_before": held_before, "now": now, "silent": list(silent)},
        )
        row = cursor.fetchone()
        return row[0] if row else None
