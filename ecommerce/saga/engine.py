"""Runs sagas. The intent is on disk before the action; whoever holds the lease acts; anybody resumes after a crash."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from django.db import connections

from ecommerce import clock, codec
from ecommerce.calls.client import refuse_open_transaction
from ecommerce.errors import DomainError, Kind
from ecommerce.ids import new_id
from ecommerce.saga.definition import OutcomeUnknown, Saga, SagaState, Step, Wait, definition, definitions
from ecommerce.saga.models import Direction, SagaStatus, StepStatus
from ecommerce.topology import current
from ecommerce.unit_of_work import UnitOfWork

LEASE = timedelta(seconds=60)
"""A saga whose holder says nothing for this long is resumed by another worker. Longer than any step's time-outs."""
UNDO_ATTEMPTS = 8

START = """
    WITH saga AS (
        INSERT INTO saga_instance (id, saga_type, definition_version, subject, status, current_step, attempt, data,
                                   due_at, lease_owner, created_at, updated_at)
        VALUES (%(id)s, %(type)s, %(version)s, %(subject)s, 'RUNNING', %(position)s, 1, %(data)s,
                %(due)s, %(owner)s, %(now)s, %(now)s)
        RETURNING id
    )
    INSERT INTO saga_step (saga_id, name, position, direction, attempt, idempotency_key, status, error,
                           started_at, finished_at)
    SELECT saga.id, s.name, s.position, 'DO', 1, saga.id || ':' || s.name || ':DO:1', s.status, '', %(now)s,
           CASE WHEN s.status = 'DONE' THEN %(now)s END
    FROM saga, unnest(%(names)s::text[], %(positions)s::smallint[], %(statuses)s::text[]) AS s (name, position, status)
"""
PROGRESS = """
    WITH held AS (
        UPDATE saga_instance
        SET status = %(status)s, current_step = %(position)s, attempt = %(attempt)s, data = %(data)s, error = %(error)s,
            due_at = %(due)s, lease_owner = %(owner_after)s, updated_at = %(now)s
        WHERE id = %(id)s AND lease_owner = %(owner)s
        RETURNING id
    ), finished AS (
        UPDATE saga_step SET status = %(step_status)s, response = %(response)s, error = %(step_error)s,
                             finished_at = %(now)s
        FROM held WHERE saga_step.idempotency_key = %(finished_key)s
    ), begun AS (
        INSERT INTO saga_step (saga_id, name, position, direction, attempt, idempotency_key, status, error, started_at)
        SELECT held.id, %(next_name)s, %(position)s, %(next_direction)s, %(attempt)s, %(next_key)s, 'STARTED', '',
               %(now)s
        FROM held WHERE %(next_key)s::text IS NOT NULL
        ON CONFLICT (idempotency_key) DO NOTHING
    )
    SELECT count(*) FROM held
"""
CLAIM = """
    UPDATE saga_instance SET lease_owner = %(owner)s, due_at = %(lease_until)s, attempt = attempt + 1,
           status = CASE WHEN status = 'WAITING' THEN 'RUNNING' ELSE status END, updated_at = %(now)s
    WHERE id IN (
        SELECT id FROM saga_instance
        WHERE status IN ('RUNNING', 'WAITING', 'COMPENSATING') AND due_at <= %(now)s AND saga_type = ANY(%(types)s)
        ORDER BY due_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
    )
    RETURNING id, saga_type, definition_version, subject, data, current_step, status, attempt, error
"""
BEGIN = """
    INSERT INTO saga_step (saga_id, name, position, direction, attempt, idempotency_key, status, error, started_at)
    VALUES (%s, %s, %s, %s, %s, %s, 'STARTED', '', %s) ON CONFLICT (idempotency_key) DO NOTHING
"""
SIGNAL = """
    UPDATE saga_instance SET due_at = %(now)s
    WHERE subject = %(subject)s AND saga_type = %(type)s AND status IN ('WAITING', 'RUNNING') AND lease_owner IS NULL
"""

log = structlog.get_logger(__name__)


class LeaseLost(Exception):
    """Another worker took this saga over; whatever this one learnt, the other finds out itself."""


@dataclass
class Run:
    """A saga in the hands of this process."""

    id: UUID
    context: str
    saga: Saga
    subject: UUID
    data: dict[str, Any]
    position: int
    owner: UUID
    status: SagaStatus = SagaStatus.RUNNING
    attempt: int = 1
    error: dict[str, Any] | None = None
    failure: Exception | None = field(default=None)
    """What made the saga turn back, if that happened in this process."""
    suspended: bool = False

    @property
    def alias(self) -> str:
        return current()[self.context].alias

    @property
    def step(self) -> Step:
        return self.saga.steps[self.position]

    def state(self) -> SagaState:
        return SagaState(self.id, self.subject, self.data, clock.now(), self.error)


def start(work: UnitOfWork, saga_type: str, *, subject: UUID, data: Mapping[str, Any], now: datetime) -> Run:
    """Create a saga in the open unit of work: it exists if and only if that commits. Then call :func:`run`.

    Leading steps without ``do`` count as done by this transaction. One statement.
    """
    saga = definition(saga_type)
    first = next(i for i, step in enumerate(saga.steps) if step.do is not None)
    run_ = Run(new_id(), work.context.name, saga, subject, codec.to_builtins(dict(data)), first, owner=new_id())
    with connections[run_.alias].cursor() as cursor:
        cursor.execute(
            START,
            {
                "id": run_.id, "type": saga.type, "version": saga.version, "subject": subject, "position": first,
                "data": _json(run_.data), "due": now + LEASE, "owner": run_.owner, "now": now,
                "names": [step.name for step in saga.steps[: first + 1]],
                "positions": list(range(first + 1)),
                "statuses": ["DONE"] * first + ["STARTED"],
            },
        )  # fmt: skip
    return run_


def run(saga_run: Run) -> Run:
    """Run a saga on until it ends, waits, or must pause before another attempt; return it.

    Call it outside any transaction. It raises nothing that a step raised: look at ``status`` and ``failure``.
    """
    refuse_open_transaction(f"saga {saga_run.saga.type}")
    try:
        while saga_run.status in (SagaStatus.RUNNING, SagaStatus.COMPENSATING) and not saga_run.suspended:
            if saga_run.status == SagaStatus.RUNNING:
                _forward(saga_run)
            else:
                _backward(saga_run)
    except LeaseLost:
        log.warning("saga_lease_lost", saga=saga_run.saga.type, saga_id=str(saga_run.id))
        saga_run.suspended = True
    return saga_run


def claim_due(context: str, *, now: datetime, limit: int = 20) -> list[Run]:
    """Take over up to ``limit`` sagas of ``context`` that are due: paused, waiting, or left behind by a crash.

    Parallel callers get different ones. Run each afterwards.
    """
    owner = new_id()
    alias = current()[context].alias
    parameters = {"owner": owner, "now": now, "lease_until": now + LEASE, "limit": limit}
    with connections[alias].cursor() as cursor:
        cursor.execute(CLAIM, {**parameters, "types": [saga.type for saga in definitions()]})
        rows = cursor.fetchall()
        runs = [_loaded(context, owner, row) for row in rows]
        for claimed in runs:
            direction = Direction.DO if claimed.status == SagaStatus.RUNNING else Direction.UNDO
            key = _key(claimed, claimed.position, direction, claimed.attempt)
            step = claimed.step
            cursor.execute(
                BEGIN, [claimed.id, step.name, claimed.position, direction.value, claimed.attempt, key, now]
            )
    return runs


def signal(work: UnitOfWork, saga_type: str, *, subject: UUID, now: datetime) -> None:
    """Make the waiting saga of ``subject`` due at once, when the open unit of work commits."""
    with connections[work.context.alias].cursor() as cursor:
        cursor.execute(SIGNAL, {"now": now, "subject": subject, "type": saga_type})


def _forward(r: Run) -> None:
    step, now = r.step, clock.now()
    assert step.do is not None
    try:
        result = step.do(r.state())
    except OutcomeUnknown as error:
        _pause(r, StepStatus.UNKNOWN, str(error), Direction.DO)
    except DomainError as error:
        if error.kind == Kind.UNAVAILABLE and r.attempt < step.attempts:
            _pause(r, StepStatus.FAILED, str(error), Direction.DO)
        else:
            _turn_back(r, error)
    except Exception as error:
        log.exception("saga_step_failed", saga=r.saga.type, saga_id=str(r.id), step=step.name, attempt=r.attempt)
        if r.attempt < step.attempts:
            _pause(r, StepStatus.FAILED, f"{type(error).__name__}: {error}", Direction.DO)
        else:
            _turn_back(r, error)
    else:
        if isinstance(result, Wait):
            r.data |= codec.to_builtins(dict(result.data))
            r.suspended, r.status = True, SagaStatus.WAITING
            _progress(r, Direction.DO, StepStatus.WAITING, now=now, due=result.until)
        else:
            r.data |= codec.to_builtins(dict(result or {}))
            _step_done(r, result)


def _step_done(r: Run, result: Mapping[str, Any] | None) -> None:
    finished = _key(r, r.position, Direction.DO, r.attempt)
    if r.position + 1 == len(r.saga.steps):
        r.status = SagaStatus.COMPLETED
        _progress(r, Direction.DO, StepStatus.DONE, finished=finished, response=result)
        return
    r.position, r.attempt = r.position + 1, 1
    _progress(r, Direction.DO, StepStatus.DONE, finished=finished, response=result, begin=Direction.DO)


def _turn_back(r: Run, error: Exception) -> None:
    """Begin the compensation, at the step that failed: part of it may have happened."""
    finished = _key(r, r.position, Direction.DO, r.attempt)
    r.failure, r.error = error, _described(error, r.step.name)
    log.info("saga_turns_back", saga=r.saga.type, saga_id=str(r.id), step=r.step.name, reason=r.error["code"])
    r.status, r.attempt = SagaStatus.COMPENSATING, 1
    _descend(r, r.position, finished, StepStatus.FAILED, step_error=str(error))


def _backward(r: Run) -> None:
    step = r.step
    finished = _key(r, r.position, Direction.UNDO, r.attempt)
    try:
        if step.undo is not None:
            step.undo(r.state())
    except Exception as error:
        log.exception("saga_undo_failed", saga=r.saga.type, saga_id=str(r.id), step=step.name, attempt=r.attempt)
        message = f"{type(error).__name__}: {error}"
        if r.attempt < UNDO_ATTEMPTS:
            _pause(r, StepStatus.FAILED, message, Direction.UNDO)
            return
        r.data = {**r.data, "parked_steps": [*r.data.get("parked_steps", []), step.name]}
        r.attempt = 1
        _descend(r, r.position - 1, finished, StepStatus.PARKED, step_error=message)
    else:
        r.attempt = 1
        _descend(r, r.position - 1, finished, StepStatus.DONE)


def _descend(r: Run, position: int, finished: str, step_status: StepStatus, *, step_error: str = "") -> None:
    """Record the end of a step and begin the next compensation downwards, or end the saga."""
    while position >= 0 and r.saga.steps[position].undo is None:
        position -= 1
    if position < 0:
        r.status = SagaStatus.PARKED if r.data.get("parked_steps") else SagaStatus.COMPENSATED
        _progress(r, Direction.UNDO, step_status, finished=finished, step_error=step_error)
        return
    r.position = position
    _progress(r, Direction.UNDO, step_status, finished=finished, step_error=step_error, begin=Direction.UNDO)


def _pause(r: Run, step_status: StepStatus, error: str, direction: Direction) -> None:
    """Let go of the saga until another attempt is due; full jitter, at most five minutes."""
    pause = timedelta(seconds=random.uniform(0.5, min(300.0, 2.0**r.attempt)))  # noqa: S311
    r.suspended = True
    _progress(r, direction, step_status, due=clock.now() + pause, step_error=error)


def _progress(
    r: Run,
    direction: Direction,
    step_status: StepStatus,
    *,
    finished: str | None = None,
    begin: Direction | None = None,
    response: Mapping[str, Any] | None = None,
    step_error: str = "",
    due: datetime | None = None,
    now: datetime | None = None,
) -> None:
    """Write the end of one step, the state of the saga and the intent of the next step: one statement, one commit.

    Raises:
        LeaseLost: another worker has taken the saga over; nothing was written.
    """
    now = now or clock.now()
    ended = r.status in (SagaStatus.COMPLETED, SagaStatus.COMPENSATED, SagaStatus.PARKED)
    holds = not ended and not r.suspended
    parameters = {
        "id": r.id, "owner": r.owner, "owner_after": r.owner if holds else None, "now": now,
        "status": r.status.value, "position": r.position, "attempt": r.attempt,
        "data": _json(r.data), "error": _json(r.error) if r.error else None,
        "due": None if ended else due or now + LEASE,
        "finished_key": finished or _key(r, r.position, direction, r.attempt),
        "step_status": step_status.value, "response": _json(response) if response else None, "step_error": step_error,
        "next_name": r.step.name, "next_direction": begin.value if begin else None,
        "next_key": _key(r, r.position, begin, r.attempt) if begin else None,
    }  # fmt: skip
    with connections[r.alias].cursor() as cursor:
        cursor.execute(PROGRESS, parameters)
        if cursor.fetchone()[0] == 0:
            raise LeaseLost(str(r.id))


def _loaded(context: str, owner: UUID, row: tuple[Any, ...]) -> Run:
    id_, saga_type, version, subject, data, position, status, attempt, error = row
    data = data if isinstance(data, dict) else codec.decode(data, dict[str, Any])
    error = error if isinstance(error, dict | None) else codec.decode(error, dict[str, Any])
    return Run(
        id_, context, definition(saga_type, version), subject, data, position, owner, SagaStatus(status), attempt, error
    )


def _key(r: Run, position: int, direction: Direction, attempt: int) -> str:
    return f"{r.id}:{r.saga.steps[position].name}:{direction.value}:{attempt}"


def _json(value: Any) -> str:
    return codec.encode(value).decode()


def _described(error: Exception, step: str) -> dict[str, Any]:
    if isinstance(error, DomainError):
        params = codec.to_builtins(error.params)
        return {"step": step, "code": error.code, "detail": error.detail, "params": params}
    return {"step": step, "code": "internal_error", "detail": type(error).__name__, "params": {}}
