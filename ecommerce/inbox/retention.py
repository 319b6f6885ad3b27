"""What an inbox may forget.

A row says two things: that a message was handled, and which version of its aggregate its handler has reached. The first
matters for as long as the message may come again, out of a queue or an archive; the second for ever. So of each key the
row with the latest version stays: by it a duplicate of that version is known, and any earlier one is overtaken, however
late it comes. A message that is still parked keeps its row too: a person may retry it at any time.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import structlog

from ecommerce.db.plans import planned_each_time

PAGE = 1000
"""Rows looked at by one statement, which is one transaction."""
FORGET = """
    WITH page AS MATERIALIZED (
        SELECT consumer, message_id, partition_key, sequence, handled_at FROM inbox_message
        WHERE handled_at < %(before)s
          AND (handled_at, consumer, message_id) > (%(at)s::timestamptz, %(consumer)s::text, %(message_id)s::uuid)
        ORDER BY handled_at, consumer, message_id LIMIT %(page)s
    ), forgotten AS (
        DELETE FROM inbox_message AS m USING page AS p
        WHERE m.consumer = p.consumer AND m.message_id = p.message_id
          AND (p.sequence = 0 OR EXISTS (
            SELECT 1 FROM inbox_message AS later
            WHERE later.consumer = p.consumer AND later.partition_key = p.partition_key AND later.sequence > p.sequence
          )) AND NOT EXISTS (
            SELECT 1 FROM inbox_parked AS k WHERE k.consumer = p.consumer AND k.message_id = p.message_id
          )
        RETURNING 1
    )
    SELECT handled_at, consumer, message_id, (SELECT count(*) FROM forgotten) FROM page
    ORDER BY handled_at DESC, consumer DESC, message_id DESC LIMIT 1
"""

log = structlog.get_logger(__name__)


def forget(alias: str, *, before: datetime) -> int:
    """Delete what is not needed of the messages handled before ``before``; return how many were deleted.

    ``before`` must be earlier than anything that an archive or a queue still holds: what a replay hands over is not
    checked against versions. Idempotent, and safe beside the consumer. Each call reads all rows of before ``before``.
    """
    at: dict[str, Any] = {"at": "-infinity", "consumer": "", "message_id": "00000000-0000-0000-0000-000000000000"}
    total = 0
    while True:
        with planned_each_time(alias) as cursor:
            cursor.execute(FORGET, {"before": before, "page": PAGE, **at})
            row = cursor.fetchone()
        if row is None:
            break
        *last, forgotten = row
        at, total = dict(zip(at, last, strict=True)), total + forgotten
    log.info("inbox_forgotten", context=alias, messages=total)
    return total
