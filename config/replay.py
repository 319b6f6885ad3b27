"""A replay: published events of one context, handed to one handler, which may be of another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ecommerce.inbox.consumer import BATCH
from ecommerce.inbox.figures import outcomes
from ecommerce.inbox.registry import Handler
from ecommerce.inbox.replay import ReplayConsumer
from ecommerce.messaging.broker import Delivery
from ecommerce.messaging.configured import get_broker
from ecommerce.messaging.envelope import PREFIX
from ecommerce.outbox.history import Reference, messages, references
from ecommerce.topology import Context, current

LOOKED_UP = 500
"""Events whose outcomes are asked for at once."""


@dataclass
class Tally:
    """How far a replay is. ``new`` events were not handled before: only a dry run leaves some there."""

    read: int = 0
    handled: int = 0
    ignored: int = 0
    duplicates: int = 0
    parked: int = 0
    new: int = 0
    at: datetime | None = None
    """When the last event read was published."""

    def count(self, outcome: str) -> None:
        self.handled += outcome == "HANDLED"
        self.ignored += outcome == "IGNORED"
        self.parked += outcome == "PARKED"
        self.duplicates += outcome in ("DUPLICATE", "DISCARDED")


@dataclass(frozen=True)
class Replay:
    """One run. ``run_id`` is in the envelope of all that it hands over, so that senders of messages can skip it."""

    publisher: Context
    handler: Handler
    types: Sequence[str]
    """What the handler listens to, old versions included."""
    run_id: UUID
    since: datetime
    until: datetime

    def rehearse(self) -> Iterator[Tally]:
        """Yield the same tally, further on each time, of what a run would find. Hands nothing over."""
        return self._run(dry=True)

    def run(self) -> Iterator[Tally]:
        """Hand the events over in order of their ids; yield the same tally, further on each time.

        What was handled before is not handed over. May be interrupted and run again at any time.
        """
        return self._run(dry=False)

    def _run(self, *, dry: bool) -> Iterator[Tally]:
        tally = Tally()
        pages = references(self.publisher.alias, types=self.types, since=self.since, until=self.until, limit=LOOKED_UP)
        consumer = ReplayConsumer(self.handler, get_broker())
        for page in pages:
            known = self._outcomes(page)
            new = [each for each in page if each.event_id not in known]
            tally.read += len(page)
            tally.at = page[-1].published_at
            for outcome in known.values():
                tally.count("PARKED" if outcome == "PARKED" else "DUPLICATE")
            if dry:
                tally.new += len(new)
            else:
                self._hand_over(consumer, new, tally)
            yield tally

    def _hand_over(self, consumer: ReplayConsumer, new: Sequence[Reference], tally: Tally) -> None:
        handed: set[int] = set()
        for start in range(0, len(new), BATCH):
            found = messages(self.publisher.alias, new[start : start + BATCH])
            mark = {f"{PREFIX}replay": str(self.run_id)}
            consumer.handle([Delivery(each.id, {**each.headers, **mark}, each.data) for each in found])
            handed.update(each.id for each in found)
        became = self._outcomes(new)
        for reference in new:
            if reference.id in handed:
                tally.count(became.get(reference.event_id, "PARKED"))

    def _outcomes(self, page: Sequence[Reference]) -> dict[UUID, str]:
        """Return what became of the events that the handler was handed; others may have come before it existed."""
        wanted = [(self.handler.name, each.event_id) for each in page]
        found = outcomes(current()[self.handler.context].alias, wanted)
        return {event_id: outcome for (_, event_id), outcome in found.items() if outcome != "UNKNOWN"}
