from datetime import timedelta

import pytest

from contexts.order.domain import IllegalTransition
from contexts.order.events import OrderDelivered, OrderShipped
from contexts.order.interface import OrderNotFound
from contexts.order.models import Shipment, TrackingEvent
from contexts.order.usecases.fulfil import (
    NothingToShip,
    ShipmentNotFound,
    TrackedInFuture,
    TrackingCodeTaken,
    ship_order,
    track_shipment,
)
from ecommerce.ids import new_id
from ecommerce.testing import published
from tests.contexts.order.factories import NOON, OrderFactory

pytestmark = pytest.mark.django_db(databases=["order"])


def ship(order, quantities=None, code="BR1"):
    parcel = ship_order(
        order_id=order.id, carrier="Correios", tracking_code=code, quantities=quantities, actor="user:joao", now=NOON
    )
    order.refresh_from_db()
    return parcel


def track(parcel, status, hours=0, **facts):
    track_shipment(
        shipment_id=parcel.id, status=status, description="", location="", at=NOON + timedelta(hours=hours),
        actor="user:joao", now=NOON + timedelta(days=1), **facts,
    )  # fmt: skip
    parcel.refresh_from_db()


def lines(order):
    return list(order.lines.order_by("position"))


def test_one_parcel_with_everything():
    order = OrderFactory(quantities=[2, 1])
    parcel = ship(order)
    assert (order.status, order.version) == ("shipped", 2)
    assert [line.shipped_quantity for line in lines(order)] == [2, 1]
    assert sorted(parcel.lines.values_list("quantity", flat=True)) == [1, 2]
    [event] = published("order", OrderShipped)
    assert (event.order_id, event.carrier, event.tracking_code) == (order.id, "Correios", "BR1")
    assert order.timeline.get().actor == "user:joao"


def test_parcel_by_parcel():
    order = OrderFactory(quantities=[3, 1])
    first, second = lines(order)
    ship(order, {first.id: 2})
    assert order.status == "partially_shipped"
    ship(order, {first.id: 1, second.id: 0}, code="BR2")
    assert order.status == "partially_shipped"
    ship(order, code="BR3")
    assert (order.status, order.version) == ("shipped", 4)
    assert [line.shipped_quantity for line in lines(order)] == [3, 1]
    assert [event.tracking_code for event in published("order", OrderShipped)] == ["BR1", "BR2", "BR3"]


@pytest.mark.parametrize("wanted", [lambda line: {line.id: 3}, lambda line: {new_id(): 1}, lambda line: {line.id: 0}])
def test_no_more_than_was_bought_can_be_shipped(wanted):
    order = OrderFactory(quantities=[2])
    [line] = lines(order)
    with pytest.raises(NothingToShip) as refused:
        ship(order, wanted(line))
    assert refused.value.params == {"lines": {str(line.id): 2}}
    assert (Shipment.objects.count(), published("order")) == (0, [])


@pytest.mark.parametrize("status", ["pending", "awaiting_payment", "cancelled", "failed"])
def test_only_what_is_paid_is_shipped(status):
    order = OrderFactory(status=status, quantities=[1])
    with pytest.raises(IllegalTransition):
        ship(order)
    assert not Shipment.objects.exists()


def test_a_tracking_code_names_one_parcel():
    ship(OrderFactory(quantities=[1]))
    order = OrderFactory(quantities=[1])
    with pytest.raises(TrackingCodeTaken):
        ship(order)
    order.refresh_from_db()
    assert (order.status, lines(order)[0].shipped_quantity) == ("confirmed", 0)


def test_an_unknown_order_or_parcel():
    with pytest.raises(OrderNotFound):
        ship(OrderFactory.build())
    with pytest.raises(ShipmentNotFound):
        track(Shipment(), "delivered")


def test_the_order_is_delivered_with_its_last_parcel():
    order = OrderFactory(quantities=[1, 1], customer_id=new_id())
    first, second = lines(order)
    parcels = [ship(order, {first.id: 1}, "BR1"), ship(order, {second.id: 1}, "BR2")]
    track(parcels[0], "delivered", hours=5)
    order.refresh_from_db()
    assert order.status == "shipped"
    track(parcels[1], "in_transit", hours=1)
    track(parcels[1], "delivered", hours=3)
    order.refresh_from_db()
    assert (order.status, order.delivered_at) == ("delivered", NOON + timedelta(hours=5))
    [event] = published("order", OrderDelivered)
    assert event.product_ids == [first.product_id, second.product_id]
    assert (event.customer_id, event.delivered_at) == (order.customer_id, NOON + timedelta(hours=5))


def test_a_parcel_that_arrives_before_the_rest_is_sent_delivers_nothing_yet():
    order = OrderFactory(quantities=[2])
    [line] = lines(order)
    first = ship(order, {line.id: 1}, "BR1")
    track(first, "delivered", hours=1)
    second = ship(order, {line.id: 1}, "BR2")
    assert order.status == "shipped"
    track(second, "delivered", hours=2)
    order.refresh_from_db()
    assert order.status == "delivered"


def test_a_parcel_that_came_back_is_not_waited_for():
    order = OrderFactory(quantities=[2])
    [line] = lines(order)
    first, second = ship(order, {line.id: 1}, "BR1"), ship(order, {line.id: 1}, "BR2")
    track(first, "delivered", hours=1)
    track(second, "returned", hours=2)
    order.refresh_from_db()
    assert (order.status, order.delivered_at) == ("delivered", NOON + timedelta(hours=1))
    assert len(published("order", OrderDelivered)) == 1


def test_an_order_of_which_every_parcel_came_back_was_not_delivered():
    order = OrderFactory(quantities=[1])
    parcel = ship(order)
    track(parcel, "returned", hours=2)
    order.refresh_from_db()
    assert (order.status, order.delivered_at, published("order", OrderDelivered)) == ("shipped", None, [])


def test_the_same_event_twice_is_kept_once_and_late_ones_change_nothing():
    order = OrderFactory(quantities=[1])
    parcel = ship(order)
    for status, hours in [
        ("in_transit", 1), ("out_for_delivery", 3), ("in_transit", 1), ("in_transit", 2), ("delivered", 4),
        ("delivered", 4), ("out_for_delivery", 3),
    ]:  # fmt: skip
        track(parcel, status, hours)
    order.refresh_from_db()
    assert (parcel.status, parcel.delivered_at) == ("delivered", NOON + timedelta(hours=4))
    assert TrackingEvent.objects.count() == 4
    assert (order.status, len(published("order", OrderDelivered))) == ("delivered", 1)


def test_a_late_event_does_not_set_a_parcel_back():
    parcel = ship(OrderFactory(quantities=[1]))
    track(parcel, "out_for_delivery", 3)
    track(parcel, "in_transit", 1)
    assert parcel.status == "out_for_delivery"


def test_an_event_from_the_future_is_refused():
    parcel = ship(OrderFactory(quantities=[1]))
    with pytest.raises(TrackedInFuture):
        track(parcel, "delivered", hours=25)
    assert not TrackingEvent.objects.exists()
