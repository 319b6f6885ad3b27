"""Bringing sagas on that are due: paused, waiting, or left behind by a crash."""

import time

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

log = structlog.get_logger(__name__)


@shared_task(name="ecommerce.saga.resume")
def resume_sagas() -> int:
    """Run the due sagas of every local context, one by one; return how many. Parallel runs take different sagas."""
    resumed = 0
    for context in current().local:
        try:
            resumed += _resume(context.name)
            _show_figures(context.name)
        except DatabaseError:
            log.exception("sagas_not_resumed", context=context.name)
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
