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
    position: int = 0
    """The number of the last event read."""
    at: datetime | None = None
    """When it was published."""

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
    subject: str = ""
    """The aggregate whose events alone are replayed; empty for all."""

    def rehearse(self) -> Iterator[Tally]:
        """Yield the same tally, further on each time, of what a run would find. Hands nothing over."""
        tally = Tally()
        for page in self._pages(tally):
            tally.new += len(self._new(page, tally))
            yield tally

    def run(self, tally: Tally | None = None, *, again: bool = False) -> Iterator[Tally]:
        """Hand the events over in order of their ids; yield the same tally, further on each time. With ``tally``, go on
        behind its position; ``again``: whoever was there last may have died of what comes first.

        What was handled before is not handed over. May be interrupted and run again at any time.
        """
        tally = tally or Tally()
        consumer = ReplayConsumer(self.handler, get_broker())
        for page in self._pages(tally):
            self._hand_over(consumer, self._new(page, tally), tally, again=again)
            again = False
            yield tally

    def _pages(self, tally: Tally) -> Iterator[list[Reference]]:
        return references(
            self.publisher.alias, types=self.types, since=self.since, until=self.until, subject=self.subject,
            after=tally.position, limit=LOOKED_UP,
        )  # fmt: skip

    def _new(self, page: Sequence[Reference], tally: Tally) -> list[Reference]:
        """Return the events that the handler was never handed, and count the others."""
        known = self._outcomes(page)
        tally.read += len(page)
        tally.position, tally.at = page[-1].id, page[-1].published_at
        for outcome in known.values():
            tally.count("PARKED" if outcome == "PARKED" else "DUPLICATE")
        return [each for each in page if each.event_id not in known]

    def _hand_over(self, consumer: ReplayConsumer, new: Sequence[Reference], tally: Tally, *, again: bool) -> None:
        handed: set[int] = set()
        for start in range(0, len(new), BATCH):
            found = messages(self.publisher.alias, new[start : start + BATCH])
            mark = {f"{PREFIX}replay": str(self.run_id)}
            consumer.handle([Delivery(each.id, {**each.headers, **mark}, each.data, again) for each in found])
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
