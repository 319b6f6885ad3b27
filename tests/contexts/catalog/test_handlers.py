from __future__ import annotations

from datetime import timedelta

import pytest

from contexts.catalog.interface import StockLine
from contexts.catalog.models import Stock, StockMovement, VerifiedPurchase
from contexts.catalog.usecases.reservations import release_stock, reserve_stock
from contexts.order.events import (
    OrderCancelled,
    OrderConfirmed,
    OrderDelivered,
    OrderedLine,
    OrderRefunded,
    RefundedLine,
)
from ecommerce.ids import new_id
from ecommerce.testing import deliver
from tests.contexts.catalog.factories import NOON, brl, on_sale

pytestmark = pytest.mark.django_db(databases=["catalog"])


def confirmed(order_id, variant, quantity):
    line = OrderedLine(variant_id=variant.pk, product_id=variant.product_id, quantity=quantity, unit_price=brl("10.00"))
    return OrderConfirmed(
        order_id=order_id, number="1", customer_id=None, cart_id=None, lines=[line], total=brl("10.00"),
        coupon_code="", confirmed_at=NOON,
    )  # fmt: skip


def cancelled(order_id, *, was_confirmed):
    return OrderCancelled(order_id=order_id, number="1", reason="", was_confirmed=was_confirmed)


def ordered(variant, quantity):
    order_id = new_id()
    lines = [StockLine(variant_id=variant.pk, quantity=quantity)]
    reserve_stock(reservation_id=order_id, lines=lines, expires_at=NOON + timedelta(hours=1), now=NOON)
    return order_id


def balance():
    return Stock.objects.values_list("on_hand", "reserved").get()


def test_a_paid_order_takes_its_pieces_once_however_often_it_is_told():
    shirt, event_id = on_sale(stock=5), new_id()
    order_id = ordered(shirt, 2)
    for _ in range(2):
        deliver(confirmed(order_id, shirt, 2), to="catalog", subject=order_id, event_id=event_id)
    deliver(confirmed(order_id, shirt, 2), to="catalog", subject=order_id, version=2)
    assert balance() == (3, 0)
    assert list(StockMovement.objects.order_by("id").values_list("kind", flat=True)) == ["reserve", "sell"]


@pytest.mark.parametrize("restock", [True, False])
def test_refunded_pieces_go_back_on_the_shelf_once_if_they_can_be_sold(restock):
    shirt, event_id = on_sale(stock=5), new_id()
    order_id = ordered(shirt, 3)
    deliver(confirmed(order_id, shirt, 3), to="catalog", subject=order_id)
    refunded = OrderRefunded(
        order_id=order_id, number="1", refund_id=new_id(), amount=brl("10.00"), reason="",
        lines=[RefundedLine(variant_id=shirt.pk, quantity=1)], restock=restock, refunded_at=NOON,
    )  # fmt: skip
    for _ in range(2):
        deliver(refunded, to="catalog", subject=order_id, version=2, event_id=event_id)
    assert balance() == ((3, 0) if restock else (2, 0))


@pytest.mark.parametrize("was_confirmed", [True, False])
def test_a_cancelled_order_gives_its_pieces_back_once(was_confirmed):
    shirt = on_sale(stock=5)
    order_id = ordered(shirt, 2)
    if was_confirmed:
        deliver(confirmed(order_id, shirt, 2), to="catalog", subject=order_id)
    for version in (2, 3):
        deliver(cancelled(order_id, was_confirmed=was_confirmed), to="catalog", subject=order_id, version=version)
    assert balance() == (5, 0)


@pytest.mark.parametrize("reserved", [True, False])
def test_a_sale_that_is_heard_of_after_its_cancellation_takes_no_pieces(reserved):
    """The event of the sale failed and was tried again when the order had been cancelled."""
    shirt = on_sale(stock=5)
    order_id = ordered(shirt, 2) if reserved else new_id()
    deliver(cancelled(order_id, was_confirmed=True), to="catalog", subject=order_id, version=3)
    deliver(confirmed(order_id, shirt, 2), to="catalog", subject=order_id, version=2)
    assert balance() == (5, 0)


def test_a_sale_that_is_heard_of_after_its_hold_lapsed_and_its_cancellation_takes_no_pieces():
    shirt = on_sale(stock=5)
    order_id = ordered(shirt, 2)
    release_stock(reservation_id=order_id, now=NOON)
    deliver(cancelled(order_id, was_confirmed=True), to="catalog", subject=order_id, version=3)
    deliver(confirmed(order_id, shirt, 2), to="catalog", subject=order_id, version=2)
    assert balance() == (5, 0)


def test_who_received_a_product_is_remembered_once_per_order():
    customer_id, order_id, products = new_id(), new_id(), [new_id(), new_id()]
    event = OrderDelivered(
        order_id=order_id, number="1", customer_id=customer_id, product_ids=[*products, products[0]], delivered_at=NOON
    )
    for version in (1, 2):
        deliver(event, to="catalog", subject=order_id, version=version)
    rows = VerifiedPurchase.objects.values_list("customer_id", "product_id", "order_id")
    assert sorted(rows) == sorted((customer_id, product, order_id) for product in products)


def test_a_guests_delivery_is_nobodys_purchase():
    event = OrderDelivered(order_id=new_id(), number="1", customer_id=None, product_ids=[new_id()], delivered_at=NOON)
    deliver(event, to="catalog")
    assert not VerifiedPurchase.objects.exists()
