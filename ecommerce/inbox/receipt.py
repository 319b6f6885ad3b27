"""The memory that an event was handled, written in the same transaction as its effect."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from uuid import UUID

from django.db import connections

INSERT = """
    INSERT INTO inbox_message (consumer, message_id, event_type, partition_key, sequence, outcome, handled_at)
    SELECT r.consumer, r.message_id, r.event_type, r.partition_key, r.sequence, %s, clock_timestamp()
    FROM unnest(%s::text[], %s::uuid[], %s::text[], %s::text[], %s::bigint[], %s::bigint[], %s::bigint[])
         AS r (consumer, message_id, event_type, partition_key, sequence, latest, before)
    WHERE NOT EXISTS (
        SELECT 1 FROM inbox_parked AS p
        WHERE p.consumer = r.consumer AND p.partition_key = r.partition_key AND p.id < r.before
    ) AND NOT EXISTS (
        SELECT 1 FROM inbox_message AS m
        WHERE m.consumer = r.consumer AND m.partition_key = r.partition_key AND m.sequence > r.latest
    )
    ON CONFLICT (consumer, message_id) DO NOTHING
    RETURNING consumer, message_id
"""
HANDLED_BEFORE = "SELECT 1 FROM inbox_message WHERE consumer = %s AND message_id = %s"
OVERTAKEN_BY = """
    SELECT max(sequence) FROM inbox_message WHERE consumer = %s AND partition_key = %s AND sequence > %s
"""
IGNORED = """
    UPDATE inbox_message AS m SET outcome = 'IGNORED'
    FROM unnest(%s::text[], %s::uuid[]) AS r (consumer, message_id)
    WHERE m.consumer = r.consumer AND m.message_id = r.message_id
"""
START = """
    INSERT INTO inbox_start (consumer, message_id, starts)
    SELECT r.consumer, r.message_id, 1 FROM (VALUES (%s::text, %s::uuid)) AS r (consumer, message_id)
    WHERE NOT EXISTS (
        SELECT 1 FROM inbox_message AS m WHERE m.consumer = r.consumer AND m.message_id = r.message_id
    ) AND NOT EXISTS (
        SELECT 1 FROM inbox_parked AS p WHERE p.consumer = r.consumer AND p.message_id = r.message_id
    )
    ON CONFLICT (consumer, message_id) DO UPDATE SET starts = inbox_start.starts + 1
    RETURNING starts
"""
FORGET_STARTS = "DELETE FROM inbox_start WHERE message_id = ANY(%s)"
LAST = 2**63 - 1
"""More than any number of a parked message, and than any version."""


class AlreadyHandled(Exception):
    """This consumer has handled this message before; the transaction ends without a change."""


class KeyBlocked(Exception):
    """An earlier message of the same key waits for this consumer; the transaction ends without a change."""


class Overtaken(Exception):
    """This consumer has handled a later version of this aggregate; the transaction ends without a change."""


@dataclass
class Receipt:
    """What the running handler owes the inbox of ``alias``; ``recorded`` once a unit of work has seen to it."""

    alias: str
    consumer: str
    message_id: UUID
    event_type: str
    partition_key: str
    sequence: int
    latest: int
    """The latest version that may have been handled before: its own, or ``LAST`` for what comes again on purpose."""
    before: int = LAST
    """The message's own number among the parked ones: only what was parked before it is in its way."""
    claimed: bool = False
    """Whether the row was inserted already, with those of other messages, in the open transaction."""
    recorded: bool = False

    @property
    def key(self) -> tuple[str, UUID]:
        return self.consumer, self.message_id


_receipt: ContextVar[Receipt | None] = ContextVar("inbox_receipt", default=None)


@contextmanager
def receiving(receipt: Receipt) -> Iterator[None]:
    """Make the next unit of work on ``receipt.alias`` insert the inbox row first."""
    token = _receipt.set(receipt)
    try:
        yield
    finally:
        _receipt.reset(token)


def record_receipt(alias: str) -> None:
    """Insert the inbox row of the running handler, if there is one; call it first in the transaction on ``alias``.

    A unit of work on another context's database, opened by a call to that context, is not the handler's and owes
    nothing.

    Raises:
        AlreadyHandled: the row exists. A parallel transaction that holds it is waited for.
        KeyBlocked
        Overtaken
        RuntimeError: the handler opens a second unit of work; one event is one action.
    """
    receipt = _receipt.get()
    if receipt is None or receipt.alias != alias:
        return
    if receipt.recorded:
        raise RuntimeError(f"{receipt.consumer} opened a second unit of work for one event")
    if not receipt.claimed:
        insert(receipt, outcome="HANDLED")
    receipt.recorded = True


def insert(receipt: Receipt, *, outcome: str) -> None:
    """Insert the inbox row with ``outcome``.

    Raises:
        AlreadyHandled: the row exists.
        KeyBlocked
        Overtaken
    """
    if claim([receipt], outcome=outcome):
        return
    with connections[receipt.alias].cursor() as cursor:
        cursor.execute(HANDLED_BEFORE, list(receipt.key))
        if cursor.fetchone():
            raise AlreadyHandled(f"{receipt.consumer} handled {receipt.message_id} before")
        cursor.execute(OVERTAKEN_BY, [receipt.consumer, receipt.partition_key, receipt.latest])
        if later := cursor.fetchone()[0]:
            raise Overtaken(f"version {receipt.sequence} came after version {later} took effect")
    raise KeyBlocked(f"{receipt.consumer} keeps an earlier message of {receipt.partition_key}")


def claim(receipts: Sequence[Receipt], *, outcome: str) -> set[tuple[str, UUID]]:
    """Insert the inbox rows of messages for one context, and return the keys of those that were new, not blocked and
    not overtaken by others of before.

    One statement, in the caller's transaction.
    """
    columns = (
        [receipt.consumer for receipt in receipts],
        [receipt.message_id for receipt in receipts],
        [receipt.event_type for receipt in receipts],
        [receipt.partition_key for receipt in receipts],
        [receipt.sequence for receipt in receipts],
        [receipt.latest for receipt in receipts],
        [receipt.before for receipt in receipts],
    )
    with connections[receipts[0].alias].cursor() as cursor:
        cursor.execute(INSERT, [outcome, *columns])
        return set(cursor.fetchall())


def in_order(receipts: Sequence[Receipt]) -> list[Receipt]:
    """Return those that come in version order: not behind a later version of their consumer and key."""
    reached: dict[tuple[str, str], int] = {}
    found = []
    for receipt in receipts:
        key = receipt.consumer, receipt.partition_key
        if reached.get(key, 0) <= receipt.latest:
            reached[key] = max(reached.get(key, 0), receipt.sequence)
            found.append(receipt)
    return found


def note_ignored(receipts: Sequence[Receipt]) -> None:
    """Correct the outcome of claimed messages whose handlers had nothing to change. One statement, none for none."""
    if receipts:
        with connections[receipts[0].alias].cursor() as cursor:
            cursor.execute(IGNORED, [[r.consumer for r in receipts], [r.message_id for r in receipts]])


def count_start(receipt: Receipt) -> int:
    """Note, and commit at once, that the handler begins with a message; return how often it has begun without an
    outcome. Zero for a message that was handled, or is parked."""
    with connections[receipt.alias].cursor() as cursor:
        cursor.execute(START, list(receipt.key))
        row = cursor.fetchone()
    return int(row[0]) if row else 0


def forget_starts(alias: str, message_ids: Sequence[UUID]) -> None:
    """Forget the messages that have an outcome now."""
    with connections[alias].cursor() as cursor:
        cursor.execute(FORGET_STARTS, [list(message_ids)])
