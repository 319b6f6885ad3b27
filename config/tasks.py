"""Replays that a person asked for in the back office, brought on by the workers."""

from __future__ import annotations

import time
from threading import Lock

import structlog
from celery import shared_task
from django.db import DatabaseError

from config.replay import Replay, Tally
from ecommerce import clock
from ecommerce.inbox import runs
from ecommerce.inbox.registry import handlers
from ecommerce.topology import current, local_aliases

LONGEST_SECONDS = 20.0
"""Then the next task goes on: a worker that stops waits for its tasks, and a broker for what was not acknowledged."""
KEPT = ("position", "read", "handled", "ignored", "duplicates", "parked")
"""What a run and its tally have in common."""

log = structlog.get_logger(__name__)
_one_at_a_time = Lock()
"""A replay may take hours. It gets one thread of a worker, never all of them."""


@shared_task(name="config.continue_replays")
def continue_replays() -> int:
    """Go on with the replays of every local context for some seconds; return how many events were read."""
    if not _one_at_a_time.acquire(blocking=False):
        return 0
    try:
        return sum(_continue(alias) for alias in local_aliases())
    finally:
        _one_at_a_time.release()


def _continue(alias: str) -> int:
    until, read = time.monotonic() + LONGEST_SECONDS, 0
    while time.monotonic() < until:
        try:
            taken = runs.take(alias)
        except DatabaseError:
            log.exception("replays_not_continued", context=alias)
            break
        if taken is None:
            break
        before = taken.run.read
        try:
            _bring_on(taken, until=until)
        except Exception as error:
            log.exception("replay_stumbled", run_id=str(taken.run.id))
            runs.stumble(taken.run, error)
        read += taken.run.read - before
    return read


def _bring_on(taken: runs.Taken, *, until: float) -> None:
    run = taken.run
    handler = {each.name: each for each in handlers(context=run.handler.partition(".")[0])}.get(run.handler)
    publisher = current().by_name.get(run.publisher)
    if handler is None or publisher is None or not publisher.local:
        missing = f"the handler {run.handler}" if handler is None else f"the context {run.publisher}"
        runs.end(run, now=clock.now(), error=f"{missing} does not run here")
        return
    replay = Replay(publisher, handler, run.types, run.id, run.since, run.until, run.aggregate_id)
    for tally in replay.run(Tally(**{name: getattr(run, name) for name in KEPT}), again=taken.left_behind):
        for name in KEPT:
            setattr(run, name, getattr(tally, name))
        if not runs.keep(run):
            return
        if time.monotonic() >= until:
            runs.let_go(run)
            return
    runs.end(run, now=clock.now())
