"""Writing events into the outbox, as part of the caller's transaction."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connections

from ecommerce import codec
from ecommerce.messaging.envelope import Envelope
from ecommerce.outbox.models import PARTITIONS

INSERT = """
    INSERT INTO outbox_event (event_id, aggregate_type, aggregate_id, aggregate_version, partition_no, event_type,
                              payload, headers, status, attempts, last_error, origin, created_at)
    SELECT e.event_id, e.aggregate_type, e.aggregate_id, e.aggregate_version, e.partition_no, e.event_type,
           e.payload, e.headers, 'PENDING', 0, '', 'app', e.created_at
    FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::bigint[], %s::smallint[], %s::text[], %s::jsonb[], %s::jsonb[],
                %s::timestamptz[])
         WITH ORDINALITY AS e (event_id, aggregate_type, aggregate_id, aggregate_version, partition_no, event_type,
                               payload, headers, created_at, position)
    ORDER BY e.position
"""


@dataclass(frozen=True)
class PendingEvent:
    """An event that the open unit of work will write."""

    envelope: Envelope
    aggregate_type: str
    event: Any


def partition_of(aggregate_id: str | UUID) -> int:
    """Return the partition of an aggregate, the same in every process and version."""
    return zlib.crc32(str(aggregate_id).encode()) % PARTITIONS


def append(alias: str, events: Sequence[PendingEvent], *, now: datetime) -> None:
    """Insert ``events`` in order, in one statement, inside the caller's transaction on ``alias``.

    Call it last, with the aggregates' rows locked: then row order is commit order within an aggregate.

    Raises:
        IntegrityError: an event of that aggregate and version exists.
    """
    if not events:
        return
    columns = zip(*(_row(pending, now) for pending in events), strict=True)
    with connections[alias].cursor() as cursor:
        cursor.execute(INSERT, [list(column) for column in columns])


def _row(pending: PendingEvent, now: datetime) -> tuple[Any, ...]:
    envelope = pending.envelope
    return (
        envelope.id,
        pending.aggregate_type,
        envelope.subject,
        envelope.sequence,
        partition_of(envelope.partitionkey),
        envelope.type,
        codec.encode(pending.event).decode(),
        codec.encode(envelope.headers()).decode(),
        now,
    )
