"""A new version of a saga beside instances of the old one: each finishes as it began, whatever code runs where."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

import pytest

from contexts.order.models import Order
from contexts.order.sagas import CREATE_ORDER
from ecommerce.saga import definition
from ecommerce.saga.definition import SagaState, Step
from ecommerce.saga.models import SagaInstance, SagaStep
from tests.contexts.order.conftest import EVERYWHERE, Shopper, saga_of, work
from tests.contexts.order.usecases.test_pay import PIX, pay, status_of

pytestmark = pytest.mark.django_db(databases=EVERYWHERE)


@pytest.fixture
def code(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[SagaState]]:
    """Run on as a process with other code does: one that knows only the old version, or the new one as well.

    Returns what the step of the new version, in the middle of the old ones, was called with.
    """
    old, newest = dict(definition._sagas), dict(definition._newest)

    def deploy(*, new: bool) -> list[SagaState]:
        monkeypatch.setattr(definition, "_sagas", dict(old))
        monkeypatch.setattr(definition, "_newest", dict(newest))
        seen: list[SagaState] = []
        if new:
            first, *others = CREATE_ORDER.steps
            steps = (first, Step("look_for_fraud", do=seen.append, undo=seen.append), *others)
            definition.register(replace(CREATE_ORDER, steps=steps, version=CREATE_ORDER.version + 1))
        return seen

    return deploy


def version_of(order: Order) -> int:
    return SagaInstance.objects.using("order").get(subject=order.id).definition_version - CREATE_ORDER.version


def walked(subject: UUID) -> list[str]:
    rows = SagaStep.objects.using("order").filter(saga__subject=subject).order_by("id")
    return list(dict.fromkeys(rows.values_list("name", flat=True)))


@pytest.mark.parametrize("paid", [True, False])
def test_orders_finish_under_the_version_they_began_with(shopper, shirt, psp, code, time_passes, paid):
    old = shopper.order(shopper.fill(shirt).check_out(PIX))
    seen = code(new=True)
    other = Shopper()
    new = other.order(other.fill(shirt).check_out(PIX))
    assert [version_of(order) for order in (old, new)] == [0, 1]
    assert [saga_of(order) for order in (old, new)] == ["WAITING", "WAITING"]
    if paid:
        for order in (old, new):
            pay(psp, order)
    time_passes(hours=1)
    work()
    ended = ("confirmed", "COMPLETED") if paid else ("cancelled", "COMPENSATED")
    assert [(status_of(order), saga_of(order)) for order in (old, new)] == [ended, ended]
    assert [state.subject for state in seen] == [new.id] * (1 if paid else 2)
    assert [name for name in walked(new.id) if name not in walked(old.id)] == ["look_for_fraud"]


def test_a_process_with_old_code_leaves_a_new_order_to_one_with_new_code(shopper, shirt, psp, code, time_passes):
    code(new=True)
    new = shopper.order(shopper.fill(shirt).check_out(PIX))
    pay(psp, new)
    time_passes(hours=1)
    code(new=False)
    other = Shopper()
    old = other.order(other.fill(shirt).check_out())
    work()
    assert (version_of(old), status_of(old)) == (0, "confirmed")
    assert (saga_of(new), status_of(new)) == ("WAITING", "awaiting_payment")
    code(new=True)
    work()
    assert (saga_of(new), status_of(new)) == ("COMPLETED", "confirmed")
