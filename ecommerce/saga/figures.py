"""What the sagas of one context are at, for whoever watches."""

from __future__ import annotations

from typing import NamedTuple

from ecommerce.db.plans import planned_each_time
from ecommerce.observability import metrics
from ecommerce.saga.definition import definitions
from ecommerce.saga.models import SagaStatus

OPEN = (SagaStatus.RUNNING, SagaStatus.WAITING, SagaStatus.COMPENSATING, SagaStatus.PARKED)
COUNTS = """
    SELECT saga_type, status, count(*), extract(epoch FROM clock_timestamp() - min(created_at))::float8,
           extract(epoch FROM clock_timestamp() - min(due_at))::float8
    FROM saga_instance WHERE status IN ('RUNNING', 'WAITING', 'COMPENSATING') GROUP BY 1, 2
    UNION ALL
    SELECT saga_type, status, count(*), extract(epoch FROM clock_timestamp() - min(created_at))::float8, NULL
    FROM saga_instance WHERE status = 'PARKED' GROUP BY 1, 2
"""


class SagaFigures(NamedTuple):
    """Ages in seconds. ``overdue``: how long the one that is due longest has been; negative when none is due yet."""

    saga: str
    status: str
    number: int
    oldest: float
    overdue: float | None


def figures(alias: str) -> list[SagaFigures]:
    """Count the sagas that have not ended well. One statement, which reads those only."""
    with planned_each_time(alias) as cursor:
        cursor.execute(COUNTS)
        return [SagaFigures(*row) for row in cursor.fetchall()]


def show(context: str, found: list[SagaFigures]) -> None:
    """Let the metrics say what was counted; what was not found is zero."""
    by_kind = {(each.saga, each.status): each for each in found}
    known = {(saga.type, status.value) for saga in definitions() for status in OPEN} | by_kind.keys()
    for saga, status in known:
        each = by_kind.get((saga, status))
        metrics.SAGAS_OPEN.labels(context, saga, status).set(each.number if each else 0)
        metrics.SAGA_OLDEST_SECONDS.labels(context, saga, status).set(each.oldest if each else 0)
    overdue = max((each.overdue for each in found if each.overdue is not None), default=0)
    metrics.SAGA_OVERDUE_SECONDS.labels(context).set(max(overdue, 0))
