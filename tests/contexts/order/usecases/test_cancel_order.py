from decimal import Decimal

import pytest

from contexts.catalog.models import StockReservation
from contexts.notification.models import Message
from contexts.order.domain import IllegalTransition
from contexts.order.events import OrderCancelled
from contexts.order.interface import OrderNotFound
from contexts.order.models import DailySales
from contexts.order.usecases.cancel_order import cancel_order
from contexts.promotion.models import Coupon
from ecommerce import clock
from ecommerce.ids import new_id
from ecommerce.testing import drain, published
from tests.contexts.order.conftest import EVERYWHERE, as_json, booked, brl, card, saga_of, stock_of, voucher
from tests.contexts.order.factories import NOON, OrderFactory
from tests.contexts.promotion.factories import CouponFactory

pytestmark = pytest.mark.django_db(databases=EVERYWHERE)


def cancel(order) -> None:
    cancel_order(order_id=order.id, reason="desisti", actor="guest", now=clock.now())
    order.refresh_from_db()


def test_a_paid_order_is_cancelled_refunded_and_undone_everywhere(shopper, shirt, psp):
    coupon = CouponFactory(code="DEZ", usage_limit=1)
    order = shopper.order(shopper.fill(shirt, coupon="DEZ").check_out())
    drain()
    assert stock_of(shirt) == (9, 0)
    cancel(order)
    assert (order.status, saga_of(order, "CANCEL_ORDER")) == ("cancelled", "COMPLETED")
    assert booked(order) == [("card", "capture", Decimal("55.00")), ("card", "refund", Decimal("55.00"))]
    [event] = published("order", OrderCancelled)
    assert (event.was_confirmed, event.reason) == (True, "desisti")
    drain()
    coupon.refresh_from_db()
    assert (stock_of(shirt), StockReservation.objects.get(id=order.id).status) == ((10, 0), "returned")
    assert (coupon.usage_count, coupon.confirmed_count) == (0, 0)
    assert {message.kind for message in Message.objects.all()} == {"order_confirmed", "order_cancelled"}
    assert DailySales.objects.get().cancelled_orders == 1
    assert Coupon.objects.count() == 1


@pytest.mark.parametrize("paid", [True, False])
def test_the_event_tells_whether_an_order_that_waits_had_money(shopper, shirt, paid):
    shopper.fill(shirt)
    payments = [voucher(amount=as_json(brl("10.00"))), {"method": "pix", "amount": as_json(brl("50.00"))}]
    order = shopper.order(shopper.check_out(*payments) if paid else shopper.check_out({"method": "pix"}))
    cancel(order)
    [event] = published("order", OrderCancelled)
    assert (event.was_confirmed, event.had_money) == (False, paid)


def test_cancelled_before_the_others_heard_of_it_comes_to_the_same(shopper, shirt):
    order = shopper.order(shopper.fill(shirt).check_out())
    cancel(order)
    drain()
    assert (stock_of(shirt), order.status) == ((10, 0), "cancelled")


def test_each_of_several_payments_goes_back(shopper, shirt):
    shopper.fill(shirt)
    order = shopper.order(shopper.check_out(voucher(amount=as_json(brl("20.00"))), card(amount=as_json(brl("40.00")))))
    cancel(order)
    assert sorted(booked(order)) == [
        ("card", "capture", Decimal("40.00")), ("card", "refund", Decimal("40.00")),
        ("voucher", "capture", Decimal("20.00")), ("voucher", "refund", Decimal("20.00")),
    ]  # fmt: skip


def test_what_was_refunded_by_hand_is_not_refunded_again(shopper, shirt, psp):
    order = shopper.order(shopper.fill(shirt).check_out())
    charge = order.payments.get().gateway_id
    psp.post(f"/control/charges/{charge}/refund", json={"amount": "25.00"}).raise_for_status()
    cancel(order)
    assert psp.get(f"/v1/charges/{charge}").json()["refunded"] == "60.00"
    assert sum(amount for _, kind, amount in booked(order) if kind == "refund") == Decimal("60.00")


def test_what_one_payment_refuses_does_not_keep_the_other(shopper, shirt, psp):
    shopper.fill(shirt)
    order = shopper.order(shopper.check_out(voucher(amount=as_json(brl("20.00"))), card(amount=as_json(brl("40.00")))))
    psp.post("/control/behaviour", json={"kind": "decline", "operation": "refund", "method": "voucher"})
    cancel(order)
    assert saga_of(order, "CANCEL_ORDER") == "PARKED"
    assert [entry for entry in booked(order) if entry[1] == "refund"] == [("card", "refund", Decimal("40.00"))]


def test_cancelling_twice_cancels_once(shopper, shirt):
    order = shopper.order(shopper.fill(shirt).check_out())
    cancel(order)
    with pytest.raises(IllegalTransition):
        cancel(order)
    assert len(booked(order)) == 2


@pytest.mark.parametrize("status", ["partially_shipped", "shipped", "delivered", "cancelled", "failed"])
def test_what_was_shipped_or_has_ended_cannot_be_cancelled(status):
    order = OrderFactory(status=status)
    with pytest.raises(IllegalTransition) as refused:
        cancel(order)
    assert refused.value.params == {"status": status}
    assert published("order") == []


def test_an_unknown_order_cannot_be_cancelled():
    with pytest.raises(OrderNotFound):
        cancel_order(order_id=new_id(), reason="", actor="guest", now=NOON)
