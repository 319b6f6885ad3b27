"""What the events page shows: what waits now, and what went through lately, in every context.

Everything comes from the databases, so it is the same whichever process is asked. Three statements for each local
context, whose cost does not grow with outbox, archive or inbox.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db import DatabaseError, connections

from ecommerce.inbox import figures as inbox
from ecommerce.observability.flow import SLOT, Flow, history
from ecommerce.outbox import figures as outbox
from ecommerce.topology import Context, current

COUNT_AT_MOST = 10_000
RELAY_SILENT_SECONDS = 15
WRITTEN_AFTER = timedelta(seconds=2)
"""Workers write at the end of a slot; a step is shown as soon as they had the time for it."""


@dataclass(frozen=True)
class Window:
    """How far back, and in which steps."""

    name: str
    title: str
    last_step: str
    length: timedelta
    step: timedelta


WINDOWS = {
    window.name: window
    for window in (
        Window("10m", "10 minutos", "nos últimos 10 segundos", timedelta(minutes=10), SLOT),
        Window("1h", "1 hora", "no último minuto", timedelta(hours=1), timedelta(minutes=1)),
        Window("6h", "6 horas", "nos últimos 5 minutos", timedelta(hours=6), timedelta(minutes=5)),
        Window("24h", "24 horas", "nos últimos 20 minutos", timedelta(hours=24), timedelta(minutes=20)),
    )
}


@dataclass(frozen=True)
class Series:
    """One value for each step, oldest first; None where no worker ran, or nothing took effect."""

    waiting: Sequence[int | None] = ()
    published: Sequence[float | None] = ()
    """Per second, as is ``handled``."""
    handled: Sequence[float | None] = ()
    seconds: Sequence[float | None] = ()
    """From publishing to effect, on average."""


@dataclass(frozen=True)
class ContextNow:
    """``published`` and ``handled`` are per second in the last step; ``duplicates``, ``leases_lost`` and ``seconds``,
    the average from publishing to effect, are of the whole window. Counts end at ``COUNT_AT_MOST``."""

    name: str
    local: bool
    healthy: bool
    worker: bool = False
    pending: int = 0
    oldest: float | None = None
    blocked: int = 0
    parked: int = 0
    retrying: int = 0
    inbox_parked: int = 0
    replays: int = 0
    published: float | None = None
    handled: float | None = None
    seconds: float | None = None
    duplicates: int = 0
    leases_lost: int = 0
    series: Series = Series()


@dataclass(frozen=True)
class Now:
    at: datetime
    window: str
    times: list[datetime]
    """When each step began."""
    contexts: list[ContextNow]


def take(window: Window, *, now: datetime) -> Now:
    """Ask every local context. One whose database does not answer hides no other."""
    step = window.step.total_seconds()
    until = datetime.fromtimestamp((now - WRITTEN_AFTER).timestamp() // step * step, UTC)
    times = [until - window.length + window.step * number for number in range(int(window.length / window.step))]
    return Now(now, window.name, times, [_context(context, window, times) for context in current().contexts])


def _context(context: Context, window: Window, times: Sequence[datetime]) -> ContextNow:
    if not context.local:
        return ContextNow(context.name, local=False, healthy=False)
    try:
        sent = outbox.now(context.alias, most=COUNT_AT_MOST)
        received = inbox.now(context.alias, most=COUNT_AT_MOST)
        steps = history(context.alias, since=times[0], until=times[-1] + window.step, step=window.step)
    except DatabaseError:
        connections[context.alias].close()
        return ContextNow(context.name, local=True, healthy=False)
    by_time = {step.since: step for step in steps}
    series = _series([by_time.get(time) for time in times], window.step.total_seconds())
    effects = sum(step.effects for step in steps)
    return ContextNow(
        context.name,
        local=True,
        healthy=True,
        worker=sent.relay_silent is not None and sent.relay_silent < RELAY_SILENT_SECONDS,
        pending=sent.pending,
        oldest=sent.oldest,
        blocked=sent.blocked,
        parked=sent.parked,
        retrying=received.waiting,
        inbox_parked=received.parked,
        replays=received.replays,
        published=series.published[-1],
        handled=series.handled[-1],
        seconds=sum(step.effect_seconds for step in steps) / effects if effects else None,
        duplicates=sum(step.duplicates for step in steps),
        leases_lost=sum(step.leases_lost for step in steps),
        series=series,
    )


def _series(steps: Sequence[Flow | None], seconds: float) -> Series:
    def of(value: Callable[[Flow], float]) -> list[float | None]:
        return [None if step is None else value(step) for step in steps]

    return Series(
        waiting=[None if step is None else step.waiting for step in steps],
        published=of(lambda step: step.published / seconds),
        handled=of(lambda step: step.handled / seconds),
        seconds=[step.effect_seconds / step.effects if step and step.effects else None for step in steps],
    )
