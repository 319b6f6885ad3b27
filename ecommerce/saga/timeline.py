"""A saga as a picture: every attempt a bar on one axis of working time, every longer pause a line between them.

A saga works for milliseconds and waits for days. So the axis holds the time in which somebody worked, and a pause takes
no room on it: it says how long it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from ecommerce.saga.history import PastStep
from ecommerce.saga.models import StepStatus

PAUSE = timedelta(milliseconds=100)
"""A gap from this length on is a pause; a shorter one counts as work."""
NARROWEST = 0.8
"""Per cent; a narrower bar would not be seen."""
WHY = {
    StepStatus.STARTED: "interrompida, até que outro processo a assumiu",
    StepStatus.WAITING: "esperou",
    StepStatus.PARKED: "esperou uma pessoa",
    StepStatus.FAILED: "pausa antes de outra tentativa",
    StepStatus.UNKNOWN: "pausa antes de perguntar de novo",
}


@dataclass(frozen=True)
class Pause:
    """Time in which nobody worked; ``until`` is set for the one that is not over."""

    why: str
    length: str
    until: datetime | None = None


@dataclass(frozen=True)
class Bar:
    """One attempt or decision. ``left`` and ``width`` are per cent of the axis; ``before`` is the pause before it."""

    step: PastStep
    left: float
    width: float
    length: str
    before: Pause | None = None


def bars(steps: Sequence[PastStep]) -> list[Bar]:
    """Lay out the attempts of one saga, which come in the order in which they began."""
    gaps = [after.started_at - _end(before) for before, after in pairwise([*steps[:1], *steps])]
    shorter = [max(gap, timedelta()) if gap < PAUSE else timedelta() for gap in gaps]
    lengths = [_end(step) - step.started_at for step in steps]
    whole = sum([*shorter, *lengths], timedelta()) or PAUSE
    laid_out: list[Bar] = []
    passed = timedelta()
    for number, (step, gap, length) in enumerate(zip(steps, gaps, lengths, strict=True)):
        passed += shorter[number]
        width = max(NARROWEST, 100 * (length / whole))
        left = min(100 * (passed / whole), 100 - width)
        pause = Pause(_why(steps[number - 1]), duration(gap)) if gap >= PAUSE else None
        laid_out.append(Bar(step, left, width, duration(length) if step.finished_at else "–", pause))
        passed += length
    return laid_out


def pending(last: PastStep, due_at: datetime) -> Pause:
    """Return the pause after the last attempt, which ends when the saga is due."""
    return Pause(_why(last), duration(max(due_at - _end(last), timedelta())), due_at)


def duration(length: timedelta) -> str:
    """Return a length of time as a person says it, by its two largest units: ``2 d 3 h``, ``1,4 s``, ``12 ms``."""
    seconds = length.total_seconds()
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s".replace(".", ",")
    minutes, hours, days = int(seconds) // 60, int(seconds) // 3600, length.days
    if days:
        return f"{days} d {hours % 24} h"
    return f"{hours} h {minutes % 60} min" if hours else f"{minutes} min {int(seconds) % 60} s"


def _end(step: PastStep) -> datetime:
    return step.finished_at or step.started_at


def _why(before: PastStep) -> str:
    return WHY.get(StepStatus(before.outcome), "pausa")
