"""Whether every published event reached everybody who listens to it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from ecommerce.inbox.figures import outcomes
from ecommerce.inbox.registry import Handler, handlers
from ecommerce.messaging.upcasting import with_older
from ecommerce.outbox.history import Reference, references
from ecommerce.topology import Topology

BATCH = 1000
"""Events checked at once: one statement for each context that listens to them."""


class Missing(NamedTuple):
    """An event that a handler was never handed, as far as its inbox tells."""

    event: Reference
    handler: str


class Checked(NamedTuple):
    """One batch: how many events it held, how many handlers should have had them all in all, and who had not."""

    events: int
    deliveries: int
    missing: list[Missing]


def verify(topology: Topology, *, since: datetime, until: datetime) -> Iterator[Checked]:
    """Compare the archives of the local contexts with the inboxes of the local contexts, batch by batch.

    For events published from ``since`` to before ``until``; what is parked has arrived. No database is asked about
    another's tables. Take an ``until`` that leaves the consumers time: an event that waits in a queue is missing.
    """
    listening: dict[str, list[Handler]] = defaultdict(list)
    for context in topology.local:
        for type_, found in _listening(context.name).items():
            listening[type_] += found
    for publisher in topology.local:
        for batch in references(publisher.alias, types=sorted(listening), since=since, until=until, limit=BATCH):
            yield _check(topology, batch, listening)


def _listening(context: str) -> dict[str, list[Handler]]:
    """Return the handlers of one context by event type. An old version goes to those of the nearest later one."""
    own: dict[str, list[Handler]] = defaultdict(list)
    for handler in handlers(context=context):
        own[handler.event.type].append(handler)
    older = {type_: with_older([type_]) for type_ in own}
    return {
        type_: own[min((later for later in own if type_ in older[later]), key=lambda later: len(older[later]))]
        for type_ in with_older(own)
    }


def _check(topology: Topology, batch: Sequence[Reference], listening: dict[str, list[Handler]]) -> Checked:
    owed: dict[str, list[tuple[str, UUID]]] = defaultdict(list)
    for event in batch:
        for handler in listening[event.type]:
            owed[topology[handler.context].alias].append((handler.name, event.event_id))
    arrived = {pair for alias, pairs in owed.items() for pair in outcomes(alias, pairs)}
    missing = [
        Missing(event, handler.name)
        for event in batch
        for handler in listening[event.type]
        if (handler.name, event.event_id) not in arrived
    ]
    return Checked(len(batch), sum(map(len, owed.values())), missing)
