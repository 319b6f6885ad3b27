"""How long there is time: who holds something until a moment binds it, and who then waits for others heeds it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime

from ecommerce import clock

_deadline: ContextVar[datetime | None] = ContextVar("deadline", default=None)


@contextmanager
def due_by(moment: datetime) -> Iterator[None]:
    """Bind the moment by which everything in a ``with`` block should be done."""
    token = _deadline.set(moment)
    try:
        yield
    finally:
        _deadline.reset(token)


def seconds_left(most: float) -> float:
    """Return how long a wait may last: ``most``, less when the deadline is nearer, 0 when it has passed."""
    deadline = _deadline.get()
    return most if deadline is None else min(most, max(0.0, (deadline - clock.now()).total_seconds()))
