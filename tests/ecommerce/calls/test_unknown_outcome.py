"""A step of a saga whose call took effect, while its answer was lost."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from contexts.catalog.interface import CatalogInterface, StockLine
from contexts.catalog.models import Stock, StockReservation
from contexts.catalog.provider import CatalogProvider
from ecommerce import clock
from ecommerce.calls import connect, providers
from ecommerce.ids import new_id
from ecommerce.saga import definition, engine
from ecommerce.saga.definition import Retry, Saga, SagaState, Step
from ecommerce.saga.models import SagaStatus
from ecommerce.testing import pass_time
from ecommerce.unit_of_work import unit_of_work
from tests.contexts.catalog.factories import on_sale
from tests.ecommerce.calls.servers import Application

pytestmark = pytest.mark.django_db(transaction=True, databases=["catalog", "order"])
catalog = connect(CatalogInterface)
STEP_SECONDS = 1.5


class LosesTheFirstAnswer(CatalogProvider):
    """Reserves, and then keeps the caller waiting until it has gone."""

    def __init__(self) -> None:
        self.calls = 0
        self.done = threading.Event()

    def reserve_stock(self, **arguments: Any) -> None:
        super().reserve_stock(**arguments)
        self.calls += 1
        if self.calls == 1:
            self.done.wait(30)


@pytest.fixture
def shop(application: Application, monkeypatch: pytest.MonkeyPatch, settings: Any) -> LosesTheFirstAnswer:
    provider = LosesTheFirstAnswer()
    monkeypatch.setitem(providers._providers, CatalogInterface, provider)
    return provider


def test_a_reservation_whose_answer_was_lost_is_made_once(
    shop: LosesTheFirstAnswer, monkeypatch: pytest.MonkeyPatch
) -> None:
    shirt, subject = on_sale(stock=5), new_id()
    lines = [StockLine(variant_id=shirt.pk, quantity=2)]
    expires_at = clock.now() + timedelta(minutes=15)

    def reserve(saga: SagaState) -> None:
        catalog.reserve_stock(reservation_id=saga.subject, lines=lines, expires_at=expires_at)

    retry = Retry(attempts=5, first_pause=timedelta(0))
    step = Step("reserve", do=reserve, retry=retry, within=timedelta(seconds=STEP_SECONDS))
    monkeypatch.setattr(definition, "_sagas", {})
    monkeypatch.setattr(definition, "_newest", {})
    definition.register(Saga("RESERVE", steps=(step,)))
    run = begin(subject)
    shop.done.set()

    assert (run.status, run.suspended) == (SagaStatus.RUNNING, True), "the outcome is not known"
    assert Stock.objects.get(variant_id=shirt.pk).reserved == 2, "it took effect all the same"

    pass_time("order", timedelta(minutes=5))
    (resumed,) = engine.claim_due("order")
    engine.run(resumed)

    assert resumed.status == SagaStatus.COMPLETED
    assert shop.calls == 2
    assert Stock.objects.get(variant_id=shirt.pk).reserved == 2
    assert StockReservation.objects.get().id == subject


def begin(subject: UUID) -> engine.Run:
    with unit_of_work("order") as work:
        run = engine.start(work, "RESERVE", subject=subject, data={}, now=clock.now())
    return engine.run(run)
