"""Runs sagas. The intent is on disk before the action; whoever holds the lease acts; anybody resumes after a crash."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, cast
from uuid import UUID

import structlog
from django.db import connections
from django.db.models import Model

from ecommerce import clock, codec
from ecommerce.calls.client import refuse_open_transaction
from ecommerce.db import rows
from ecommerce.db.plans import planned_each_time
from ecommerce.deadline import due_by
from ecommerce.errors import DomainError, Kind, Unreachable
from ecommerce.ids import new_id
from ecommerce.observability import context as request_context
from ecommerce.observability import metrics, tracing
from ecommerce.saga import statements
from ecommerce.saga.definition import OutcomeUnknown, Saga, SagaState, Step, Wait, definition, registered
from ecommerce.saga.models import Direction, SagaInstance, SagaStatus, SagaStep, StepStatus
from ecommerce.topology import current
from ecommerce.unit_of_work import UnitOfWork

CRASHES = 5
"""A step during which workers keep dying is given up after so many of them."""
AWAY = 5
"""An undo waits for a neighbour that cannot be reached as it would after so many failures: half a minute by default."""
MACHINE = socket.gethostname()
ENDED = frozenset({SagaStatus.COMPLETED, SagaStatus.COMPENSATED, SagaStatus.PARKED})

log = structlog.get_logger(__name__)


class LeaseLost(Exception):
    """The lease is over, or another worker's; whatever this one learnt, the next finds out itself."""


class KeepsCrashing(Exception):
    """Worker after worker died in the middle of this step."""


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
    deadline: datetime
    """By then the step at hand should have ended, by the clock of this process."""
    origin: dict[str, str]
    """The request that started the saga, as ``ecommerce.observability`` binds it."""
    status: SagaStatus = SagaStatus.RUNNING
    attempt: int = 1
    """Numbers everything that was tried in this saga."""
    failures: int = 0
    """How often the step at hand, in this direction, failed or left its outcome unknown."""
    crashes: int = 0
    """How often a worker died during it."""
    to_undo: list[str] = field(default_factory=list)
    """What is still to be compensated, the next one first."""
    parked: list[str] = field(default_factory=list)
    """The steps that wait for a person."""
    error: dict[str, Any] | None = None
    failure: Exception | None = None
    """What made the saga turn back, if that happened in this process."""
    suspended: bool = False
    learnt: bool = False
    """Whether ``data`` holds more than the database does."""
    ahead: timedelta = timedelta()
    """How far the database's clock, which all processes share, is ahead of the one of this process."""
    outcome: StepStatus = StepStatus.STARTED
    """How the last attempt ended."""

    @property
    def alias(self) -> str:
        return current()[self.context].alias

    @property
    def step(self) -> Step:
        return self.saga.steps[self.position]

    @property
    def direction(self) -> Direction:
        return Direction.UNDO if self.status == SagaStatus.COMPENSATING else Direction.DO

    @property
    def key(self) -> str:
        """The name of the attempt at hand."""
        return f"{self.id}:{self.step.name}:{self.direction.value}:{self.attempt}"

    @property
    def now(self) -> datetime:
        return clock.now() + self.ahead

    def state(self) -> SagaState:
        deadline = self.deadline + self.ahead
        return SagaState(self.id, self.subject, self.data, self.now, deadline, self.key, self.error)

    def learn(self, facts: Mapping[str, Any]) -> None:
        if facts:
            self.data |= codec.to_builtins(dict(facts))
            self.learnt = True

    def move(self, position: int) -> None:
        """Turn to another step."""
        self.position, self.attempt, self.failures, self.crashes = position, self.attempt + 1, 0, 0


def start(
    work: UnitOfWork,
    saga_type: str,
    *,
    subject: UUID,
    data: Mapping[str, Any],
    now: datetime,
    held: bool = True,
    along: Sequence[Model] = (),
) -> Run:
    """Create a saga in the open unit of work: it exists if and only if that commits. Then call :func:`run`.

    Without ``held`` it is left to a worker: do not run it. Leading steps without ``do`` count as done by this
    transaction. ``along`` are new rows of the context that are written with it. One statement. Its lease runs by the
    database's clock, as all leases and due times do.
    """
    saga, facts = definition(saga_type), codec.to_builtins(dict(data))
    first = next(i for i, step in enumerate(saga.steps) if step.do is not None and step.applies(facts))
    origin = asdict(request_context.current())
    deadline = now + saga.steps[first].within
    run_ = Run(new_id(), work.context.name, saga, subject, facts, first, new_id(), deadline, origin)
    due_in = saga.steps[first].lease if held else timedelta()
    instance = SagaInstance(
        id=run_.id,
        saga_type=saga.type,
        definition_version=saga.version,
        subject=subject,
        status=SagaStatus.RUNNING,
        current_step=first,
        failures=0,
        crashes=0,
        data=facts,
        to_undo=[],
        parked=[],
        signalled=False,
        origin=origin,
        due_at=cast(Any, due_in),
        lease_owner=run_.owner if held else None,
        created_at=now,
        updated_at=now,
    )
    done = [i for i, step in enumerate(saga.steps[:first]) if step.do is None]
    steps = [_first_attempt(run_, i, StepStatus.DONE, now) for i in done]
    begun = [_first_attempt(run_, first, StepStatus.STARTED, now)] if held else []
    rows.insert([*along, instance, *steps, *begun], using=run_.alias, from_now="due_at")
    return run_


def _first_attempt(r: Run, position: int, status: StepStatus, now: datetime) -> SagaStep:
    name = r.saga.steps[position].name
    return SagaStep(
        saga_id=r.id,
        name=name,
        position=position,
        direction=Direction.DO,
        attempt=1,
        idempotency_key=f"{r.id}:{name}:{Direction.DO.value}:1",
        status=status,
        error="",
        ran_by=_this_process(),
        started_at=now,
        finished_at=now if status == StepStatus.DONE else None,
    )


def run(saga_run: Run) -> Run:
    """Run a saga on until it ends, waits, or must pause before another attempt; return it.

    Call it outside any transaction. It raises nothing that a step raised: look at ``status`` and ``failure``. Whoever
    lost the lease on the way gets it suspended, with the last status that was recorded here.
    """
    refuse_open_transaction(f"saga {saga_run.saga.type}")
    recorded = saga_run.status
    try:
        span = tracing.span(f"saga {saga_run.saga.type}", _about(saga_run), parent=_caller(saga_run.origin))
        with request_context.bound(**saga_run.origin), span:
            while saga_run.status not in ENDED and not saga_run.suspended:
                recorded = saga_run.status
                _attempt(saga_run)
            span.set({"saga.status": saga_run.status.value})
    except LeaseLost:
        log.warning("saga_lease_lost", saga=saga_run.saga.type, saga_id=str(saga_run.id))
        saga_run.status, saga_run.suspended, saga_run.error, saga_run.failure = recorded, True, None, None
    if saga_run.status in ENDED:
        metrics.SAGAS_ENDED.labels(saga_run.context, saga_run.saga.type, saga_run.status.value).inc()
    return saga_run


def _caller(origin: Mapping[str, str]) -> str:
    """Return the span to continue: while the request that started the saga goes on the one at hand, else its own."""
    bound, asked = request_context.bound_or_none(), origin.get("traceparent", "")
    return bound.traceparent if bound and bound.trace_id == asked[3:35] else asked


def claim_due(context: str, *, limit: int = 1) -> list[Run]:
    """Take over up to ``limit`` sagas of ``context`` that are due: paused, waiting, or left behind by a crash.

    Parallel callers get different ones. Run each afterwards, soon: the lease runs from now. Sagas of a definition that
    this process does not know are left to others.
    """
    owner = new_id()
    steps = [(saga, position, step) for saga in registered() for position, step in enumerate(saga.steps)]
    with planned_each_time(current()[context].alias) as cursor:
        cursor.execute(
            statements.CLAIM,
            {
                "owner": owner, "limit": limit,
                "types": [saga.type for saga, _, _ in steps], "versions": [saga.version for saga, _, _ in steps],
                "positions": [position for _, position, _ in steps], "leases": [step.lease for _, _, step in steps],
            },
        )  # fmt: skip
        runs = [_loaded(context, owner, row) for row in cursor.fetchall()]
        if runs:
            cursor.execute(
                statements.BEGIN,
                {
                    "sagas": [r.id for r in runs], "names": [r.step.name for r in runs],
                    "positions": [r.position for r in runs], "directions": [r.direction.value for r in runs],
                    "attempts": [r.attempt for r in runs], "keys": [r.key for r in runs], "ran_by": _this_process(),
                },
            )  # fmt: skip
    return runs


def signal(work: UnitOfWork, saga_type: str, *, subject: UUID, after: timedelta = timedelta()) -> None:
    """Make the saga of ``subject`` look again, once the open unit of work commits, or so long ``after``.

    A saga that somebody is running at this moment is not disturbed: it looks again when it would wait.
    """
    with connections[work.context.alias].cursor() as cursor:
        parameters: dict[str, Any] = {"after": after, "subject": subject, "type": saga_type}
        cursor.execute(statements.SIGNAL, parameters)


def _attempt(r: Run) -> None:
    """Run the step at hand once, in the direction at hand, and measure it."""
    step, direction, began = r.step.name, r.direction.value, perf_counter()
    if r.status == SagaStatus.RUNNING:
        _forward(r)
    else:
        _backward(r)
    seconds = metrics.saga_step_seconds(r.context, r.saga.type, step, direction, r.outcome.value)
    seconds.observe(perf_counter() - began)


def _about(r: Run) -> dict[str, str | int]:
    return {"saga.type": r.saga.type, "saga.id": str(r.id), "saga.step": r.step.name, "saga.attempt": r.attempt}


def _forward(r: Run) -> None:
    step = r.step
    assert step.do is not None
    try:
        _refuse_to_crash_on(r)
        with due_by(r.deadline), tracing.span(f"{r.saga.type} {step.name}", _about(r)):
            result = step.do(r.state())
    except OutcomeUnknown as error:
        _try_again(r, error, StepStatus.UNKNOWN, attempts=step.retry.unknown_attempts)
    except DomainError as error:
        attempts = step.retry.attempts if error.kind == Kind.UNAVAILABLE else 0
        _try_again(r, error, StepStatus.FAILED, attempts=attempts)
    except Exception as error:
        log.exception("saga_step_failed", saga=r.saga.type, saga_id=str(r.id), step=step.name, attempt=r.attempt)
        _try_again(r, error, StepStatus.FAILED, attempts=step.retry.attempts)
    else:
        if isinstance(result, Wait):
            r.learn(result.data)
            r.status, r.suspended, r.failures = SagaStatus.WAITING, True, 0
            _progress(r, r.key, StepStatus.WAITING, due_in=result.until - r.now)
        else:
            _step_done(r, result)


def _step_done(r: Run, result: Mapping[str, Any] | None) -> None:
    ended = r.key
    r.learn(result or {})
    if (following := r.saga.following(r.position, r.data)) is None:
        r.status = SagaStatus.COMPLETED
    else:
        r.move(following)
    _progress(r, ended, StepStatus.DONE, response=result)


def _try_again(r: Run, error: Exception, outcome: StepStatus, *, attempts: int) -> None:
    """Pause before another attempt; after the last one turn back, or park a step behind which there is no way back."""
    if r.failures + 1 < attempts and r.crashes < CRASHES:
        _pause(r, error, outcome)
    elif r.step.final:
        log.error("saga_parked", saga=r.saga.type, saga_id=str(r.id), step=r.step.name, reason=_text(error))
        ended, r.status, r.parked = r.key, SagaStatus.PARKED, [r.step.name]
        _progress(r, ended, StepStatus.PARKED, step_error=_text(error))
    else:
        _turn_back(r, error)


def _turn_back(r: Run, error: Exception) -> None:
    """Begin the compensation, at the step that failed: part of it may have happened."""
    ended = r.key
    r.failure, r.error = error, _described(error, r.step.name)
    log.info("saga_turns_back", saga=r.saga.type, saga_id=str(r.id), step=r.step.name, reason=r.error["code"])
    passed = reversed(r.saga.steps[: r.position + 1])
    r.to_undo = [step.name for step in passed if step.undo is not None and step.applies(r.data)]
    _descend(r, ended, StepStatus.FAILED, step_error=_text(error))


def _backward(r: Run) -> None:
    step, ended = r.step, r.key
    try:
        _refuse_to_crash_on(r)
        if step.undo is not None:
            with due_by(r.deadline), tracing.span(f"{r.saga.type} {step.name} UNDO", _about(r)):
                step.undo(r.state())
    except Unreachable as error:
        _await_neighbour(r, error)
    except Exception as error:
        unknown = isinstance(error, OutcomeUnknown)
        if not unknown:
            log.exception("saga_undo_failed", saga=r.saga.type, saga_id=str(r.id), step=step.name, attempt=r.attempt)
        attempts = step.retry.unknown_attempts if unknown else step.retry.undo_attempts
        if r.failures + 1 < attempts and r.crashes < CRASHES:
            _pause(r, error, StepStatus.UNKNOWN if unknown else StepStatus.FAILED)
            return
        log.error("saga_parked", saga=r.saga.type, saga_id=str(r.id), step=step.name, reason=_text(error))
        r.parked = [*r.parked, step.name]
        r.to_undo = r.to_undo[1:]
        _descend(r, ended, StepStatus.PARKED, step_error=_text(error))
    else:
        r.to_undo = r.to_undo[1:]
        _descend(r, ended, StepStatus.DONE)


def _await_neighbour(r: Run, error: Unreachable) -> None:
    """Pause before another attempt to undo, however many there were. That nobody answers says nothing about the step,
    so it is no failure of it."""
    log.warning("saga_undo_waits", saga=r.saga.type, saga_id=str(r.id), step=r.step.name, reason=_text(error))
    r.suspended = True
    _progress(r, r.key, StepStatus.FAILED, due_in=r.step.retry.pause(AWAY), step_error=_text(error))


def _descend(r: Run, ended: str, outcome: StepStatus, *, step_error: str = "") -> None:
    """Record the end of a step and begin the next compensation, or end the saga."""
    if r.to_undo:
        r.status = SagaStatus.COMPENSATING
        r.move(r.saga.position(r.to_undo[0]))
    else:
        r.status = SagaStatus.PARKED if r.parked else SagaStatus.COMPENSATED
    _progress(r, ended, outcome, step_error=step_error)


def _refuse_to_crash_on(r: Run) -> None:
    if r.crashes >= CRASHES:
        raise KeepsCrashing(f"{r.crashes} workers died during this step")


def _pause(r: Run, error: Exception, outcome: StepStatus) -> None:
    """Let go of the saga until another attempt is due."""
    r.failures += 1
    r.suspended = True
    _progress(r, r.key, outcome, due_in=r.step.retry.pause(r.failures), step_error=_text(error))


def _progress(
    r: Run,
    ended: str,
    outcome: StepStatus,
    *,
    response: Mapping[str, Any] | None = None,
    step_error: str = "",
    due_in: timedelta | None = None,
) -> None:
    """Write the end of one attempt, the state of the saga and the intent of the next one: one statement, one commit.

    Raises:
        LeaseLost: the lease is over, or another worker's; nothing was written.
    """
    goes_on = r.status not in ENDED and not r.suspended
    if goes_on:
        r.deadline, due_in = clock.now() + r.step.within, r.step.lease
    parameters: dict[str, Any] = {
        "id": r.id, "owner": r.owner, "owner_after": r.owner if goes_on else None,
        "status": r.status.value, "position": r.position, "attempt": r.attempt, "failures": r.failures,
        "crashes": r.crashes, "data": _json(r.data) if r.learnt else None, "error": _json(r.error) if r.error else None,
        "to_undo": _json(r.to_undo), "parked": _json(r.parked), "suspended": r.suspended,
        "due_in": due_in,
        "ended": ended, "outcome": outcome.value, "response": _json(response) if response else None,
        "step_error": step_error, "begun": r.key if goes_on else None, "name": r.step.name,
        "direction": r.direction.value, "ran_by": _this_process(),
    }  # fmt: skip
    with connections[r.alias].cursor() as cursor:
        cursor.execute(statements.PROGRESS, parameters)
        if cursor.fetchone()[0] == 0:
            raise LeaseLost(str(r.id))
    r.learnt, r.outcome = False, outcome


def _loaded(context: str, owner: UUID, row: tuple[Any, ...]) -> Run:
    id_, saga_type, version, subject, data, position, status, attempt, failures, crashes, *texts, now = row
    to_undo, parked, error, origin = texts
    saga, names = definition(saga_type, version), partial(codec.decode, type_=list[str])
    return Run(
        id_, context, saga, subject, codec.decode(data, dict[str, Any]), position, owner,
        clock.now() + saga.steps[position].within, codec.decode(origin, dict[str, str]),
        SagaStatus(status), attempt, failures, crashes, names(to_undo), names(parked),
        codec.decode(error, dict[str, Any]) if error else None, ahead=_ahead(now),
    )  # fmt: skip


def _ahead(database: datetime) -> timedelta:
    """Return how far the database's clock, which just read ``database``, is ahead of ours."""
    return database - clock.now()


def _this_process() -> str:
    """Return who runs the steps here: program, machine and process, such as ``granian web-1:4711``."""
    program = Path(sys.argv[0])
    name = program.parent.name if program.stem == "__main__" else program.stem
    return f"{name[:60]} {MACHINE[:100]}:{os.getpid()}"


def _json(value: Any) -> str:
    return codec.encode(value).decode()


def _text(error: Exception) -> str:
    return f"{error.code}: {error}" if isinstance(error, DomainError) else f"{type(error).__name__}: {error}"


def _described(error: Exception, step: str) -> dict[str, Any]:
    if isinstance(error, DomainError):
        params = codec.to_builtins(error.params)
        return {"step": step, "code": error.code, "kind": error.kind, "detail": error.detail, "params": params}
    unavailable = Kind.UNAVAILABLE.value
    return {"step": step, "code": "internal_error", "kind": unavailable, "detail": type(error).__name__, "params": {}}
