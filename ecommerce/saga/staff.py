"""What a person does about a parked saga: try again, say that it was settled by hand, or go on without it.

Every decision is a row among the saga's steps, with who made it and why.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db.models.functions import Now

from ecommerce.errors import Conflict, Invalid, NotFound
from ecommerce.saga.definition import Saga, definition
from ecommerce.saga.models import Direction, SagaInstance, SagaStatus, SagaStep, StepStatus
from ecommerce.topology import current
from ecommerce.unit_of_work import unit_of_work


class SagaNotFound(NotFound):
    code = "saga_not_found"


class SagaNotParked(Conflict):
    """The saga runs, or has ended; ``status`` tells."""

    code = "saga_not_parked"


class StepNotParked(Invalid):
    """This step does not wait for a person; ``parked`` lists those that do."""

    code = "step_not_parked"


class NoteRequired(Invalid):
    """Say what was done, or why nothing will be."""

    code = "note_required"


def retry(context: str, saga_id: UUID, *, actor: str, now: datetime) -> None:
    """Let a worker try all parked steps of a saga again, with as many attempts as at first.

    Raises:
        SagaNotFound, SagaNotParked
    """
    with unit_of_work(context):
        saga = _parked(context, saga_id)
        for step in saga.parked:
            _note(saga, step, StepStatus.RETRY, actor=actor, note="", now=now)
        if saga.error is not None:
            saga.status, saga.to_undo = SagaStatus.COMPENSATING, saga.parked
            saga.current_step = _definition(saga).position(saga.to_undo[0])
        else:
            saga.status = SagaStatus.RUNNING
        saga.parked, saga.failures, saga.crashes, saga.due_at, saga.updated_at = [], 0, 0, Now(), now
        saga.save(using=_alias(context))


def resolve(context: str, saga_id: UUID, step: str, note: str, *, actor: str, now: datetime) -> None:
    """Take a parked step as done, because a person has done it by hand. The saga goes on, or ends.

    Raises:
        SagaNotFound, SagaNotParked, StepNotParked, NoteRequired
    """
    _settle(context, saga_id, step, note, StepStatus.RESOLVED, actor=actor, now=now)


def skip(context: str, saga_id: UUID, step: str, note: str, *, actor: str, now: datetime) -> None:
    """Go on without a parked step: it is not done, and will not be. The saga goes on, or ends.

    Raises:
        SagaNotFound, SagaNotParked, StepNotParked, NoteRequired
    """
    _settle(context, saga_id, step, note, StepStatus.SKIPPED, actor=actor, now=now)


def _settle(
    context: str, saga_id: UUID, step: str, note: str, outcome: StepStatus, *, actor: str, now: datetime
) -> None:
    if not note.strip():
        raise NoteRequired("Diga o que foi feito, ou por que nada será.")
    with unit_of_work(context):
        saga = _parked(context, saga_id)
        if step not in saga.parked:
            raise StepNotParked(f"O passo {step} não espera uma pessoa.", parked=saga.parked)
        _note(saga, step, outcome, actor=actor, note=note.strip(), now=now)
        saga.parked = [other for other in saga.parked if other != step]
        if saga.error is None:
            _go_on_behind(saga)
        elif not saga.parked:
            saga.status = SagaStatus.COMPENSATED
        saga.updated_at = now
        saga.save(using=_alias(context))


def _go_on_behind(saga: SagaInstance) -> None:
    """Turn a saga that was parked on its way forward to the next step."""
    following = _definition(saga).following(saga.current_step, saga.data)
    if following is None:
        saga.status = SagaStatus.COMPLETED
    else:
        saga.status, saga.due_at = SagaStatus.RUNNING, Now()
        saga.current_step, saga.failures, saga.crashes = following, 0, 0


def _parked(context: str, saga_id: UUID) -> SagaInstance:
    saga = SagaInstance.objects.using(_alias(context)).select_for_update().filter(id=saga_id).first()
    if saga is None:
        raise SagaNotFound("Saga não encontrada.")
    if saga.status != SagaStatus.PARKED:
        raise SagaNotParked("A saga não espera uma pessoa.", status=saga.status)
    return saga


def _note(saga: SagaInstance, step: str, outcome: StepStatus, *, actor: str, note: str, now: datetime) -> None:
    saga.attempt += 1
    direction = Direction.DO if saga.error is None else Direction.UNDO
    SagaStep(
        saga=saga,
        name=step,
        position=_definition(saga).position(step),
        direction=direction,
        attempt=saga.attempt,
        idempotency_key=f"{saga.id}:{step}:{direction.value}:{saga.attempt}",
        status=outcome,
        response={"actor": actor, "note": note},
        ran_by=actor,
        started_at=now,
        finished_at=now,
    ).save(using=saga._state.db, force_insert=True)


def _definition(saga: SagaInstance) -> Saga:
    return definition(saga.saga_type, saga.definition_version)


def _alias(context: str) -> str:
    return current()[context].alias
