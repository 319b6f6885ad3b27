"""What happened to the sagas of one subject, for pages that show it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ecommerce.saga.models import Direction, SagaStep
from ecommerce.topology import current

LIMIT = 500


@dataclass(frozen=True)
class PastStep:
    """One attempt of a step, or a person's decision about it. ``direction`` and ``status`` are words for people,
    ``outcome`` and ``is_undo`` say the same to programs."""

    saga_id: UUID
    saga_type: str
    name: str
    direction: str
    status: str
    outcome: str
    is_undo: bool
    detail: str
    ran_by: str
    started_at: datetime
    finished_at: datetime | None


def steps_of(context: str, *, subject: UUID) -> list[PastStep]:
    """Return the steps of all sagas of ``subject``, oldest first, the newest 500 at most. One statement."""
    rows = SagaStep.objects.using(current()[context].alias).filter(saga__subject=subject)
    newest = list(rows.select_related("saga").order_by("-id")[:LIMIT])
    return [past(row) for row in reversed(newest)]


def past(row: SagaStep) -> PastStep:
    """Return a step as a person reads it; its saga must be loaded."""
    decision = row.response or {}
    said = ": ".join(str(decision[key]) for key in ("actor", "note") if decision.get(key)) if _decided(row) else ""
    return PastStep(
        saga_id=row.saga_id,
        saga_type=row.saga.saga_type,
        name=row.name,
        direction=row.get_direction_display(),
        status=row.get_status_display(),
        outcome=row.status,
        is_undo=row.direction == Direction.UNDO,
        detail=row.error or said,
        ran_by=row.ran_by,
        started_at=row.started_at,
        finished_at=row.finished_at,
    )


def _decided(row: SagaStep) -> bool:
    return row.status in ("RETRY", "RESOLVED", "SKIPPED")
