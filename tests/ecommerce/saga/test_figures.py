"""What the metrics say of sagas."""

from datetime import timedelta

import pytest
from prometheus_client import REGISTRY

from ecommerce import clock
from ecommerce.saga import engine
from ecommerce.saga.figures import figures, show
from ecommerce.saga.models import SagaInstance
from tests.ecommerce.saga.conftest import begin

pytestmark = pytest.mark.django_db(databases=["order"])


def sample(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, {"service": "order", **labels})


def test_open_sagas_are_counted_with_the_age_of_the_oldest_and_what_is_overdue(world, registered):
    registered(world.step("a"))
    now = clock.now()
    for status, age, due in (("WAITING", 90, 60), ("PARKED", 30, None), ("COMPLETED", 500, None)):
        due_at = None if due is None else now - timedelta(seconds=due)
        SagaInstance.objects.using("order").filter(id=begin().id).update(
            status=status, created_at=now - timedelta(seconds=age), due_at=due_at
        )

    show("order", figures("order"))

    assert sample("sagas_open", saga="TOY", status="WAITING") == 1
    assert sample("sagas_open", saga="TOY", status="PARKED") == 1
    assert sample("sagas_open", saga="TOY", status="RUNNING") == 0
    assert sample("sagas_open", saga="TOY", status="COMPLETED") is None
    assert 90 <= sample("saga_oldest_seconds", saga="TOY", status="WAITING") < 120
    assert 60 <= sample("saga_overdue_seconds") < 90

    SagaInstance.objects.using("order").all().delete()
    show("order", figures("order"))

    assert sample("sagas_open", saga="TOY", status="PARKED") == 0
    assert sample("saga_overdue_seconds") == 0


def test_steps_are_measured_by_outcome_and_sagas_by_their_end(world, registered):
    registered(world.step("a"), world.step("b"))
    world.answers["b.do"] = [ValueError("no")]
    done = {"saga": "TOY", "step": "a", "direction": "DO", "outcome": "DONE"}
    failed = {"saga": "TOY", "step": "b", "direction": "DO", "outcome": "FAILED"}
    undone = {"saga": "TOY", "step": "a", "direction": "UNDO", "outcome": "DONE"}
    before = [sample("saga_step_seconds_count", **labels) or 0 for labels in (done, failed, undone)]
    ended = sample("sagas_ended_total", saga="TOY", status="COMPENSATED") or 0

    engine.run(begin())

    after = [sample("saga_step_seconds_count", **labels) or 0 for labels in (done, failed, undone)]
    assert [now - then for now, then in zip(after, before, strict=True)] == [1, 1, 1]
    assert sample("sagas_ended_total", saga="TOY", status="COMPENSATED") == ended + 1
