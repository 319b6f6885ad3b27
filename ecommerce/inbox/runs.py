"""The durable record of replays: what was asked for, how far it is, and which worker is at it.

A worker holds a run by a lease on the database's clock, so a run that its worker left behind is taken up by another. It
may happen that two are at it: the inbox lets each event take effect once, and only the holder writes the record.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import structlog
from django.db import connections
from django.db.models import QuerySet
from django.db.models.functions import Now

from ecommerce.ids import new_id
from ecommerce.inbox.models import ReplayRun, ReplayStatus

LEASE = timedelta(seconds=60)
TAKE = """
    UPDATE inbox_replay AS r SET lease_owner = %s, lease_until = clock_timestamp() + %s
    FROM (
        SELECT id, lease_owner FROM inbox_replay
        WHERE status = 'RUNNING' AND (lease_until IS NULL OR lease_until <= clock_timestamp())
        ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED
    ) AS free
    WHERE r.id = free.id RETURNING r.id, free.lease_owner IS NOT NULL
"""

log = structlog.get_logger(__name__)


class Taken(NamedTuple):
    """A run in the hands of this worker. ``left_behind``: the one before it did not let go of it."""

    run: ReplayRun
    left_behind: bool


def begin(
    alias: str,
    run_id: UUID,
    *,
    publisher: str,
    handler: str,
    types: Sequence[str],
    since: datetime,
    until: datetime,
    aggregate_id: str,
    expected: int | None,
    reason: str,
    actor: str,
    now: datetime,
) -> tuple[ReplayRun, bool]:
    """Let the workers of the handler's context replay; return the run, and whether it is new: asking twice by the same
    ``run_id`` begins once."""
    facts = {
        "publisher": publisher, "handler": handler, "types": list(types), "since": since, "until": until,
        "aggregate_id": aggregate_id, "expected": expected, "reason": reason, "actor": actor, "created_at": now,
    }  # fmt: skip
    run, new = ReplayRun.objects.using(alias).get_or_create(id=run_id, defaults=facts)
    if new:
        log.info("replay_asked_for", run_id=str(run_id), handler=handler, actor=actor, reason=reason)
    return run, new


def take(alias: str) -> Taken | None:
    """Take the oldest run that nobody is at."""
    with connections[alias].cursor() as cursor:
        cursor.execute(TAKE, [new_id(), LEASE])  # type: ignore[list-item]
        row = cursor.fetchone()
    return Taken(ReplayRun.objects.using(alias).get(id=row[0]), row[1]) if row else None


def keep(run: ReplayRun) -> bool:
    """Store how far the run is and renew its lease; return False if it is ours no more: cancelled, or taken over."""
    figures = {name: getattr(run, name) for name in ("position", "read", "handled", "ignored", "duplicates", "parked")}
    return _ours(run).update(**figures, error="", lease_until=Now() + LEASE) == 1


def let_go(run: ReplayRun) -> None:
    """Leave the run to whoever takes it next."""
    _ours(run).update(lease_owner=None, lease_until=None)


def end(run: ReplayRun, *, now: datetime, error: str = "") -> None:
    """Say that the run is done, or that nobody can go on with it because of ``error``."""
    status = ReplayStatus.FAILED if error else ReplayStatus.DONE
    if _ours(run).update(status=status, error=error, ended_at=now, lease_owner=None, lease_until=None):
        log.info("replay_ended", run_id=str(run.id), status=status, read=run.read, handled=run.handled, error=error)


def stumble(run: ReplayRun, error: Exception) -> None:
    """Say why the run does not get on; it is tried again when its lease is over."""
    _ours(run).update(error=f"{type(error).__name__}: {error}")


def cancel(alias: str, run_id: UUID, *, reason: str, actor: str, now: datetime) -> bool:
    """Stop a run: it hands over what it is just at, a few hundred events, and no more. Return False if it has ended."""
    running = ReplayRun.objects.using(alias).filter(id=run_id, status=ReplayStatus.RUNNING)
    if not running.update(status=ReplayStatus.CANCELLED, ended_at=now, lease_owner=None, lease_until=None):
        return False
    log.warning("replay_cancelled", run_id=str(run_id), reason=reason, actor=actor)
    return True


def _ours(run: ReplayRun) -> QuerySet[ReplayRun]:
    rows = ReplayRun.objects.using(run._state.db)
    return rows.filter(id=run.id, lease_owner=run.lease_owner, status=ReplayStatus.RUNNING)
