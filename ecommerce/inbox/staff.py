"""What a person does about messages that a handler could not take."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import structlog
from django.db import connections, transaction

from ecommerce.inbox.models import ParkedMessage, ParkedStatus

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


def retry(alias: str, ids: Collection[int], *, now: datetime) -> int:
    """Let the consumer try parked messages again at once, with all its attempts; return how many there were.

    Those behind an earlier one of their key still wait for it. What could not even be read is left as it is.
    """
    rows = ParkedMessage.objects.using(alias).filter(id__in=ids, message_id__isnull=False)
    return rows.update(status=ParkedStatus.RETRY, attempts=0, available_at=now)


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
