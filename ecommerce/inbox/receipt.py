"""The memory that an event was handled, written in the same transaction as its effect."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from uuid import UUID

from django.db import connections

INSERT = """
    INSERT INTO inbox_message (consumer, message_id, event_type, outcome, handled_at)
    VALUES (%s, %s, %s, %s, clock_timestamp())
    ON CONFLICT (consumer, message_id) DO NOTHING
"""


class AlreadyHandled(Exception):
    """This consumer has handled this message before; the transaction ends without a change."""


@dataclass
class Receipt:
    """What the running handler owes the inbox of ``alias``; ``recorded`` once a unit of work has inserted it."""

    alias: str
    consumer: str
    message_id: UUID
    event_type: str
    recorded: bool = False


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
        RuntimeError: the handler opens a second unit of work; one event is one action.
    """
    receipt = _receipt.get()
    if receipt is None or receipt.alias != alias:
        return
    if receipt.recorded:
        raise RuntimeError(f"{receipt.consumer} opened a second unit of work for one event")
    insert(receipt, outcome="HANDLED")
    receipt.recorded = True


def insert(receipt: Receipt, *, outcome: str) -> None:
    """Insert the inbox row with ``outcome``.

    Raises:
        AlreadyHandled: the row exists.
    """
    with connections[receipt.alias].cursor() as cursor:
        cursor.execute(INSERT, [receipt.consumer, receipt.message_id, receipt.event_type, outcome])
        if cursor.rowcount == 0:
            raise AlreadyHandled(f"{receipt.consumer} handled {receipt.message_id} before")
