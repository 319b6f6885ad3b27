"""Events in tests: hand one to a context, read what a context published, or let everything settle."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from ecommerce import clock, codec
from ecommerce.ids import new_id
from ecommerce.inbox.consumer import consume
from ecommerce.inbox.registry import handlers
from ecommerce.messaging.envelope import Envelope
from ecommerce.outbox.models import OutboxEvent
from ecommerce.topology import current


def deliver(
    event: Any,
    *,
    to: str,
    subject: UUID | str | None = None,
    version: int = 1,
    event_id: UUID | None = None,
    replay: str = "",
) -> dict[str, str]:
    """Run the handlers of context ``to`` that listen to ``event``, as the consumer does; return outcome by handler.

    Exceptions of a handler come through. Give ``event_id`` to deliver the same message twice.

    Raises:
        LookupError: nobody in ``to`` listens to this event.
    """
    found = handlers(context=to, event_type=event.type)
    if not found:
        raise LookupError(f"no handler of {event.type} in {to}")
    name = event.type.partition(".")[0]
    aggregate = str(subject or new_id())
    envelope = Envelope(
        id=event_id or new_id(),
        source=f"/contexts/{name}",
        type=event.type,
        subject=aggregate,
        time=clock.now(),
        partitionkey=aggregate,
        sequence=version,
        replay=replay,
    )
    return {handler.name: consume(handler, envelope, codec.round_trip(event, handler.event)) for handler in found}


def published(context: str, event: type[Any] | None = None) -> list[Any]:
    """Return the events in the outbox of ``context``, oldest first, decoded where a subscriber names their class.

    With ``event``, only those of that class.
    """
    rows = OutboxEvent.objects.using(current()[context].alias).order_by("id")
    if event is not None:
        rows = rows.filter(event_type=event.type)
    return [codec.from_builtins(row.payload, event or _class_of(row.event_type)) for row in rows]


def drain(*contexts: str, rounds: int = 10) -> int:
    """Deliver the outbox of ``contexts`` (default: all local) to every subscriber until nothing is left.

    Works inside a test's transaction, without a broker: each event goes straight to its handlers and leaves the outbox.
    Returns how many events were delivered.

    Raises:
        AssertionError: events still appear after ``rounds`` rounds.
    """
    delivered = 0
    names = contexts or tuple(context.name for context in current().local)
    for _ in range(rounds):
        rows = [row for name in names for row in OutboxEvent.objects.using(name).order_by("id")]
        if not rows:
            return delivered
        for row in rows:
            envelope = Envelope.from_headers(row.headers)
            for handler in handlers(event_type=row.event_type):
                consume(handler, envelope, codec.from_builtins(row.payload, handler.event))
            row.delete()
            delivered += 1
    raise AssertionError(f"events still appear after {rounds} rounds")


def _class_of(event_type: str) -> type[Any]:
    found = handlers(event_type=event_type)
    if not found:
        raise LookupError(f"nobody subscribes to {event_type}; pass the event's class")
    return found[0].event
