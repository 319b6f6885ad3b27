"""How an order ends, and that no money stays with one that has."""

from concurrent.futures import ThreadPoolExecutor, wait
from decimal import Decimal

import pytest
from django.db import connections

from contexts.catalog.interface import StockLine
from contexts.catalog.models import StockReservation
from contexts.catalog.provider import CatalogProvider
from contexts.catalog.usecases.reservations import release_expired_reservations, reserve_stock
from contexts.notification.models import Message
from contexts.order.events import OrderCancelled, OrderConfirmed
from contexts.order.models import PaymentAttempt
from contexts.order.usecases import settle
from contexts.order.usecases.cancel_order import cancel_order
from contexts.order.usecases.pay import catch_up, charge_attempt
from ecommerce import clock
from ecommerce.ids import new_id
from ecommerce.saga import engine
from ecommerce.saga.definition import definition
from ecommerce.testing import drain, published
from tests.contexts.order.conftest import (
    EVERYWHERE,
    at_gateway,
    booked,
    hand_over,
    pay,
    saga_of,
    status_of,
    stock_of,
    work,
)  # fmt: skip

pytestmark = pytest.mark.django_db(databases=EVERYWHERE)

PIX = {"method": "pix"}
SIXTY = Decimal("60.00")


@pytest.fixture
def waiting(shopper, shirt):
    """An order that waits for its Pix."""
    return shopper.order(shopper.fill(shirt).check_out(PIX))


def test_money_that_comes_while_the_order_is_undone_goes_back(waiting, psp, time_passes, monkeypatch):
    [attempt] = waiting.payments.all()
    release = CatalogProvider.release_stock

    def paid_at_that_moment(self, **kwargs):
        pay(psp, attempt, force=True)
        catch_up(attempt=attempt, now=clock.now())
        release(self, **kwargs)

    monkeypatch.setattr(CatalogProvider, "release_stock", paid_at_that_moment)
    time_passes(minutes=31)
    work()
    assert (status_of(waiting), saga_of(waiting), saga_of(waiting, "REFUND_ORDER")) == (
        "cancelled", "COMPENSATED", "COMPLETED",
    )  # fmt: skip
    assert booked(waiting) == [("pix", "capture", SIXTY), ("pix", "refund", SIXTY)]
    assert at_gateway(psp, attempt) == ("refunded", "60.00", "60.00")


@pytest.mark.django_db(databases=EVERYWHERE, transaction=True)
def test_news_of_money_and_the_end_of_its_order_take_turns(waiting, psp, time_passes, monkeypatch):
    """The news come when the order that ends has counted its money: they wait for its row, and see that it ended."""
    [attempt] = waiting.payments.all()
    counted = settle.balances_of

    def news():
        try:
            catch_up(attempt=attempt, now=clock.now())
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:

        def then_news(order_id):
            found = counted(order_id)
            pay(psp, attempt, force=True)
            wait([pool.submit(news)], timeout=1)
            return found

        monkeypatch.setattr(settle, "balances_of", then_news)
        time_passes(minutes=31)
        work()
    work()
    assert status_of(waiting) == "cancelled"
    assert booked(waiting) == [("pix", "capture", SIXTY), ("pix", "refund", SIXTY)]


def test_what_is_authorized_when_the_order_has_ended_is_let_go(waiting, psp, settings, monkeypatch):
    """The order is cancelled when the bank has said yes and nobody heard it yet."""
    [pix] = waiting.payments.all()
    card = PaymentAttempt(
        order=waiting, position=1, gateway="sandbox", method="card", amount=SIXTY, captures_later=True,
        instrument={"token": "tok_approved"}, expires_at=pix.expires_at, created_at=clock.now(), updated_at=clock.now(),
    )  # fmt: skip
    card.save(using="order", force_insert=True)
    with monkeypatch.context() as patch:
        patch.setattr("contexts.order.sagas.refund_order", lambda **kwargs: None)
        cancel_order(order_id=waiting.id, reason="desisti", actor="guest", now=clock.now())
        charge_attempt(attempt=card, now=clock.now())
    work()
    assert (status_of(waiting), saga_of(waiting, "REFUND_ORDER")) == ("cancelled", "COMPLETED")
    assert at_gateway(psp, card) == ("voided", "0.00", "0.00")


def test_an_order_that_is_rejected_without_money_starts_no_refund(waiting, psp, time_passes):
    time_passes(minutes=31)
    work()
    assert status_of(waiting) == "cancelled"
    with pytest.raises(Exception, match="does not exist"):
        saga_of(waiting, "REFUND_ORDER")


def test_paid_for_pieces_that_are_gone_goes_back_and_says_why(shopper, shirt, psp, webhooks):
    order = shopper.order(shopper.fill(shirt, quantity=10).check_out({"method": "boleto"}))
    [attempt] = order.payments.all()
    StockReservation.objects.update(expires_at=clock.now())
    release_expired_reservations(now=clock.now())
    lines = [StockLine(variant_id=shirt.id, quantity=1)]
    reserve_stock(reservation_id=new_id(), lines=lines, expires_at=clock.now(), now=clock.now())
    pay(psp, attempt)
    hand_over(webhooks.wait_for(1)[0])
    work()
    [event] = published("order", OrderCancelled)
    assert (event.was_confirmed, event.had_money) == (False, True)
    drain()
    assert (status_of(order), saga_of(order)) == ("cancelled", "COMPENSATED")
    assert order.cancel_reason == "A reserva venceu antes do pagamento e as peças foram vendidas."
    assert (published("order", OrderConfirmed), stock_of(shirt)) == ([], (10, 1))
    assert at_gateway(psp, attempt)[1:] == ("510.00", "510.00")
    assert shopper.cart_status() == "open"
    assert Message.objects.get(kind="order_cancelled").context["was_confirmed"] is True


def test_a_hold_that_ends_while_the_order_is_confirmed_is_renewed(waiting, shirt, psp):
    [attempt] = waiting.payments.all()
    StockReservation.objects.update(expires_at=clock.now())
    pay(psp, attempt)
    catch_up(attempt=attempt, now=clock.now())
    work()
    assert release_expired_reservations(now=clock.now()) == 0
    drain()
    assert (status_of(waiting), stock_of(shirt)) == ("confirmed", (9, 0))


def test_an_order_of_the_first_definition_finishes_by_it(shopper, shirt, psp, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(engine, "definition", lambda type_, version=None: definition(type_, version or 1))
        order = shopper.order(shopper.fill(shirt).check_out(PIX))
    [attempt] = order.payments.all()
    renewed = []
    monkeypatch.setattr(CatalogProvider, "renew_stock", lambda self, **kwargs: renewed.append(kwargs))
    pay(psp, attempt)
    catch_up(attempt=attempt, now=clock.now())
    work()
    assert (status_of(order), saga_of(order), renewed) == ("confirmed", "COMPLETED", [])
