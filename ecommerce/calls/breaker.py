"""The circuit breaker of one neighbour."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from circuitbreaker import STATE_CLOSED, STATE_HALF_OPEN, STATE_OPEN, CircuitBreaker
from django.conf import settings

from ecommerce.calls.wire import CallMismatch
from ecommerce.errors import DomainError, Unreachable
from ecommerce.observability import metrics

LEVELS = {STATE_CLOSED: 0, STATE_HALF_OPEN: 1, STATE_OPEN: 2}


class Failure(Exception):
    """An attempt at a call that got no result; ``error`` is what the caller meets if it was the last one.

    ``again`` says whether another attempt is safe. ``counts`` says whether it speaks against the neighbour as a whole;
    None: it says nothing about it.
    """

    def __init__(self, error: DomainError, outcome: str, *, again: bool, counts: bool | None = True) -> None:
        super().__init__(error.detail)
        self.error = error
        self.outcome = outcome
        self.again = again
        self.counts = counts


class Breaker:
    """Opens after ``CALLS_BREAKER_FAILURES`` failures in a row. After ``CALLS_BREAKER_SECONDS`` one call at a time may
    try; the first that is answered closes it, by whatever answer. What says nothing about the neighbour changes
    nothing."""

    def __init__(self, neighbour: str) -> None:
        self._neighbour = neighbour
        self._trial = threading.Lock()
        self._circuit = CircuitBreaker(
            failure_threshold=settings.CALLS_BREAKER_FAILURES,
            recovery_timeout=settings.CALLS_BREAKER_SECONDS,
            expected_exception=lambda _, error: isinstance(error, Failure),
            name=neighbour,
        )

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Let an attempt through and count what becomes of it.

        Raises:
            Failure: the circuit is open, or half open and another call is trying.
        """
        state = self._circuit.state
        trial = state == STATE_HALF_OPEN
        if state == STATE_OPEN or (trial and not self._trial.acquire(blocking=False)):
            raise self._open()
        try:
            if trial:
                self._show()
            yield
        except Failure as failure:
            if failure.counts:
                with self._circuit:
                    raise
            if failure.counts is False:
                self._circuit.reset()
            raise
        except (DomainError, CallMismatch):
            self._circuit.reset()
            raise
        else:
            self._circuit.reset()
        finally:
            if trial:
                self._trial.release()
            self._show()

    def _open(self) -> Failure:
        left = max(1, int(self._circuit.open_remaining))
        detail = f"{self._neighbour} did not answer repeatedly and is left alone for now."
        return Failure(Unreachable(detail, context=self._neighbour, retry_after=left), "open", again=False)

    def _show(self) -> None:
        metrics.BREAKER_STATE.labels(self._neighbour).set(LEVELS[self._circuit.state])
