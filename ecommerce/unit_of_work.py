"""The one transaction of an action."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from typing import Any
from uuid import UUID

from django.db import transaction

from ecommerce import clock
from ecommerce.ids import new_id
from ecommerce.inbox.group import unit
from ecommerce.inbox.receipt import record_receipt
from ecommerce.messaging.envelope import Envelope
from ecommerce.observability import context as request_context
from ecommerce.observability import tracing
from ecommerce.outbox.append import PendingEvent, append
from ecommerce.outbox.wake import wake
from ecommerce.topology import Context, current


class UnitOfWork:
    """Collects the events of the open transaction. They are written, in order, just before it commits."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.events: list[PendingEvent] = []

    def publish(self, event: Any, *, subject: UUID, version: int) -> None:
        """Publish ``event`` when this unit of work commits, and only then.

        ``subject`` is the aggregate's id and ``version`` its version after the change. One version of an aggregate
        publishes at most one event. Lock the aggregate's row first: subscribers see events in version order.
        """
        context = request_context.current()
        envelope = Envelope(
            id=new_id(),
            source=self.context.source,
            type=event.type,
            subject=str(subject),
            time=clock.now(),
            partitionkey=str(subject),
            sequence=version,
            correlationid=context.correlation_id,
            causationid=context.causation_id,
            traceparent=context.traceparent,
            actor=context.actor,
        )
        self.events.append(PendingEvent(envelope, event.aggregate, event))


@contextmanager
def unit_of_work(context: str) -> Iterator[UnitOfWork]:
    """Open the transaction of one action on the database of ``context``.

    Inside an event handler its first statement inserts the inbox row, so that the effect of an event and the memory of
    it commit together; the consumer may let several of them share a transaction. Do remote reads before it, lock the
    aggregate in it, and let it end before any network call.

    Raises:
        RuntimeError: a transaction is open already.
        AlreadyHandled: this event was handled before; nothing was changed.
        KeyBlocked: an earlier event of the same aggregate still waits for this handler; nothing was changed.
        Overtaken: this handler has handled a later event of the same aggregate; nothing was changed.
    """
    work = UnitOfWork(current()[context])
    alias = work.context.alias
    with tracing.span(f"unit of work {context}", _about(work.context), kind="client"), unit(alias):
        record_receipt(alias)
        yield work
        append(alias, work.events, now=clock.now())
        if work.events:
            transaction.on_commit(partial(wake, alias), using=alias)


@cache
def _about(context: Context) -> tracing.Attributes:
    return {"db.system.name": "postgresql", "db.namespace": context.schema, "db.operation.name": "TRANSACTION"}
