"""What went through each context lately, from its own database.

A counter of Prometheus is known to its process, and gone with it. So each worker adds what its counters grew by to a
table, one row for ten seconds, where any process can read the sum of all workers. A worker that is killed takes its
last seconds with it: these are figures to look at, not books.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import structlog
from django.db import DatabaseError, connections
from prometheus_client.metrics import MetricWrapperBase

from ecommerce.observability import metrics, pools

SLOT = timedelta(seconds=10)
KEPT = timedelta(days=2)
FORGET_SECONDS = 3600

ADD = """
    INSERT INTO event_flow AS f (at, published, handled, duplicates, leases_lost, effects, effect_seconds, waiting)
    VALUES (date_bin(%(slot)s, clock_timestamp() - %(slot)s / 2, 'epoch'), %(published)s, %(handled)s, %(duplicates)s,
            %(leases_lost)s, %(effects)s, %(effect_seconds)s, %(waiting)s)
    ON CONFLICT (at) DO UPDATE SET
        published = f.published + excluded.published, handled = f.handled + excluded.handled,
        duplicates = f.duplicates + excluded.duplicates, leases_lost = f.leases_lost + excluded.leases_lost,
        effects = f.effects + excluded.effects, effect_seconds = f.effect_seconds + excluded.effect_seconds,
        waiting = greatest(f.waiting, excluded.waiting)
"""
"""Written at the end of a slot: half a slot earlier is within it, also by a clock that is a little off."""
FORGET = "DELETE FROM event_flow WHERE at < clock_timestamp() - %(kept)s"
HISTORY = """
    SELECT date_bin(%(step)s, at, 'epoch') AS since, sum(published), sum(handled), sum(duplicates), sum(leases_lost),
           sum(effects), sum(effect_seconds), max(waiting)
    FROM event_flow WHERE at >= %(since)s AND at < %(until)s GROUP BY since ORDER BY since
"""

SUMS = ("published", "handled", "duplicates", "leases_lost", "effects", "effect_seconds")
OUTCOMES = {"handled": "handled", "ignored": "handled", "duplicate": "duplicates"}
"""What the consumer counts, and where it belongs."""

log = structlog.get_logger(__name__)


class Flow(NamedTuple):
    """What happened within one step of time. ``waiting`` is the most that waited in the outbox."""

    since: datetime
    published: int
    handled: int
    duplicates: int
    leases_lost: int
    effects: int
    effect_seconds: float
    waiting: int


def history(alias: str, *, since: datetime, until: datetime, step: timedelta) -> list[Flow]:
    """Return what happened, step by step and oldest first, without the steps in which no worker ran. One statement, of
    at most 8,640 small rows for a day."""
    parameters: dict[str, Any] = {"since": since, "until": until, "step": step}
    with connections[alias].cursor() as cursor:
        cursor.execute(HISTORY, parameters)
        return [Flow(*row) for row in cursor.fetchall()]


class Recorder:
    """Adds to the table what the counters of this process grow by, from the moment it is made."""

    def __init__(self, aliases: Sequence[str]) -> None:
        self._written = {alias: _counted(alias) for alias in aliases}
        self._forget_at = 0.0

    def run(self, stop: threading.Event) -> None:
        """Write at the end of every slot until ``stop`` is set, and once more then."""
        slot = SLOT.total_seconds()
        while not stop.wait(slot - time.time() % slot):
            self.write()
        self.write()

    def write(self) -> None:
        """Write what was not written yet. A database that does not answer is told later, and stops no other."""
        pools.tell()
        forget = time.monotonic() >= self._forget_at
        for alias, written in self._written.items():
            counted = _counted(alias)
            grown = {column: counted[column] - written[column] for column in SUMS}
            parameters: dict[str, Any] = {**grown, "waiting": _waiting(alias), "slot": SLOT, "kept": KEPT}
            try:
                with connections[alias].cursor() as cursor:
                    cursor.execute(ADD, parameters)
                    if forget:
                        cursor.execute(FORGET, parameters)
            except DatabaseError as error:
                log.warning("flow_not_recorded", context=alias, error=str(error))
                connections[alias].close()
            else:
                self._written[alias] = counted
        if forget:
            self._forget_at = time.monotonic() + FORGET_SECONDS


def _counted(alias: str) -> dict[str, float]:
    """Return what this process has counted of a context since it began."""
    counted = dict.fromkeys(SUMS, 0.0)
    for labels, value in _samples(metrics.OUTBOX_PROCESSED, "_total", alias):
        counted["published"] += value if labels["status"] == "published" else 0
    for labels, value in _samples(metrics.INBOX_HANDLED, "_total", alias):
        if column := OUTCOMES.get(labels["outcome"]):
            counted[column] += value
    counted["leases_lost"] = sum(value for _, value in _samples(metrics.OUTBOX_LEASES_LOST, "_total", alias))
    counted["effects"] = sum(value for _, value in _samples(metrics.EVENT_SECONDS, "_count", alias))
    counted["effect_seconds"] = sum(value for _, value in _samples(metrics.EVENT_SECONDS, "_sum", alias))
    return counted


def _waiting(alias: str) -> int:
    found = _samples(metrics.OUTBOX_EVENTS, "", alias)
    return int(sum(value for labels, value in found if labels["status"] == "pending"))


def _samples(metric: MetricWrapperBase, end: str, alias: str) -> Iterator[tuple[dict[str, str], float]]:
    for family in metric.collect():
        for sample in family.samples:
            if sample.name == f"{family.name}{end}" and sample.labels["service"] == alias:
                yield sample.labels, sample.value
