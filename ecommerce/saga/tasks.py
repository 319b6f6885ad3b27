"""Bringing sagas on that are due: paused, waiting, or left behind by a crash."""

import time
from threading import BoundedSemaphore

import structlog
from celery import shared_task
from django.db import DatabaseError

from ecommerce.saga.engine import claim_due, run
from ecommerce.saga.figures import figures, show
from ecommerce.topology import current

LONGEST_SECONDS = 20.0
"""Then the next run takes over, so that a backlog of one context does not starve the others."""

COUNT_SECONDS = 10.0
_shown_at: dict[str, float] = {}
_two_at_a_time = BoundedSemaphore(2)
"""While a gateway hangs, sagas wait for it. The other threads of a worker are for what brings the answers."""

log = structlog.get_logger(__name__)


@shared_task(name="ecommerce.saga.resume")
def resume_sagas() -> int:
    """Run the due sagas of every local context, one by one; return how many. Parallel runs take different sagas; there
    are two at most in a process."""
    if not _two_at_a_time.acquire(blocking=False):
        return 0
    try:
        return sum(_resume_of(context.name) for context in current().local)
    finally:
        _two_at_a_time.release()


def _resume_of(context: str) -> int:
    try:
        resumed = _resume(context)
        _show_figures(context)
    except DatabaseError:
        log.exception("sagas_not_resumed", context=context)
        return 0
    return resumed


def _show_figures(context: str) -> None:
    """Let the metrics say what the sagas are at, now and then."""
    if time.monotonic() >= _shown_at.get(context, 0.0) + COUNT_SECONDS:
        _shown_at[context] = time.monotonic()
        show(context, figures(context))


def _resume(context: str) -> int:
    resumed, started = 0, time.monotonic()
    while time.monotonic() - started < LONGEST_SECONDS:
        claimed = claim_due(context)
        if not claimed:
            break
        run(claimed[0])
        resumed += 1
    return resumed
