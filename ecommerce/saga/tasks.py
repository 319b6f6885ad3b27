"""Bringing sagas on that are due: paused, waiting, or left behind by a crash."""

from celery import shared_task

from ecommerce import clock
from ecommerce.saga.engine import claim_due, run
from ecommerce.topology import current


@shared_task(name="ecommerce.saga.resume")
def resume_sagas() -> int:
    """Run the due sagas of every local context; return how many. Parallel runs take different sagas."""
    resumed = 0
    for context in current().local:
        for saga_run in claim_due(context.name, now=clock.now()):
            run(saga_run)
            resumed += 1
    return resumed
