"""The published events of one context in the order in which they were written, for replay and for verification.

The archive is indexed by the time of publication, which is nearly the order of the ids, and not quite. So the ids of a
page are sorted by PostgreSQL, in one pass over the days asked for, and contents are fetched by the index afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from ecommerce import codec
from ecommerce.db.plans import planned_each_time

PAGE = 50_000
"""References in memory at once: some thirty megabytes. Each page costs one pass over the days asked for."""

REFERENCES = """
    SELECT id, published_at, event_id, event_type, aggregate_id FROM outbox_archive
    WHERE id > %(after)s AND event_type = ANY(%(types)s::text[])
      AND published_at >= %(since)s::timestamptz AND published_at < %(until)s::timestamptz
      AND (%(subject)s::text = '' OR aggregate_id = %(subject)s::text)
    ORDER BY id LIMIT %(page)s
"""
MESSAGES = """
    SELECT a.id, a.headers::text, a.payload::text
    FROM unnest(%s::timestamptz[], %s::bigint[]) AS wanted (published_at, id)
    JOIN outbox_archive AS a ON a.published_at = wanted.published_at AND a.id = wanted.id
    ORDER BY a.id
"""


class Reference(NamedTuple):
    """One published event without its contents; ``id`` is its number in the outbox, ``event_id`` its identity."""

    id: int
    published_at: datetime
    event_id: UUID
    type: str
    subject: str


class ArchivedMessage(NamedTuple):
    """What the relay sent: message headers, and data as JSON bytes."""

    id: int
    headers: dict[str, Any]
    data: bytes


def references(
    alias: str,
    *,
    types: Sequence[str],
    since: datetime,
    until: datetime,
    limit: int,
    subject: str = "",
    after: int = 0,
) -> Iterator[list[Reference]]:
    """Yield the events of ``types`` published from ``since`` to before ``until``, in order of their ids, in lists of at
    most ``limit``; those of one aggregate with ``subject``, and those with a higher id than ``after``.

    No transaction is open while the caller works. An event that moves into the archive meanwhile may be missed: let
    ``until`` be a little in the past where that matters.
    """
    period: dict[str, Any] = {"types": list(types), "since": since, "until": until, "subject": subject, "page": PAGE}
    while True:
        with planned_each_time(alias) as cursor:
            cursor.execute(REFERENCES, {**period, "after": after})
            page = [Reference(*row) for row in cursor.fetchall()]
        for start in range(0, len(page), limit):
            yield page[start : start + limit]
        if len(page) < PAGE:
            return
        after = page[-1].id


def messages(alias: str, wanted: Sequence[Reference]) -> list[ArchivedMessage]:
    """Return the contents of events, in order of their ids, without those whose day was dropped meanwhile."""
    with planned_each_time(alias) as cursor:
        cursor.execute(MESSAGES, [[each.published_at for each in wanted], [each.id for each in wanted]])
        rows = cursor.fetchall()
    return [
        ArchivedMessage(number, codec.decode(headers, dict[str, Any]), data.encode()) for number, headers, data in rows
    ]
