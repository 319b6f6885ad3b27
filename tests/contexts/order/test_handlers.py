from datetime import UTC, datetime
from decimal import Decimal

import pytest

from contexts.identity.events import UserEmailVerified
from contexts.order.events import OrderCancelled, OrderConfirmed, OrderedLine
from contexts.order.models import DailySales, Order
from ecommerce.ids import new_id
from ecommerce.money import Money
from ecommerce.testing import deliver
from tests.contexts.identity.factories import UserFactory
from tests.contexts.order.factories import OrderFactory

pytestmark = pytest.mark.django_db(databases=["order", "identity"])

LATE = datetime(2026, 11, 20, 23, 59, tzinfo=UTC)


def confirmed(*quantities: int, total: str = "60.00", at: datetime = LATE) -> OrderConfirmed:
    price = Money(Decimal("10.00"))
    return OrderConfirmed(
        order_id=new_id(),
        number="N",
        customer_id=None,
        cart_id=None,
        lines=[
            OrderedLine(variant_id=new_id(), product_id=new_id(), quantity=quantity, unit_price=price)
            for quantity in quantities
        ],
        total=Money(Decimal(total)),
        coupon_code="",
        confirmed_at=at,
    )


def test_a_verified_email_brings_its_guest_orders():
    user = UserFactory(email="ana@example.com")
    theirs = [OrderFactory(email=user.email) for _ in range(2)]
    OrderFactory(email="eva@example.com")
    claimed = OrderFactory(email=user.email, customer_id=new_id())
    deliver(UserEmailVerified(user_id=user.pk), to="order")
    found = Order.objects.filter(customer_id=user.pk)
    assert set(found) == set(theirs)
    assert claimed not in found


def test_an_email_that_is_not_verified_after_all_brings_nothing():
    user = UserFactory(verified=False)
    OrderFactory(email=user.email)
    deliver(UserEmailVerified(user_id=user.pk), to="order")
    assert not Order.objects.filter(customer_id=user.pk).exists()


def test_sales_add_up_by_day_in_utc():
    deliver(confirmed(1, 2, total="35.50"), to="order")
    deliver(confirmed(4, total="10.00"), to="order")
    deliver(confirmed(1, at=datetime(2026, 11, 21, tzinfo=UTC)), to="order")
    first, second = DailySales.objects.order_by("day")
    assert (first.day.isoformat(), first.orders, first.pieces, first.revenue) == ("2026-11-20", 2, 7, Decimal("45.50"))
    assert second.orders == 1


def test_the_same_event_twice_counts_once():
    event, event_id = confirmed(1), new_id()
    assert list(deliver(event, to="order", event_id=event_id).values()) == ["handled"]
    assert list(deliver(event, to="order", event_id=event_id).values()) == ["duplicate"]
    assert DailySales.objects.get().orders == 1


@pytest.mark.parametrize(("was_confirmed", "counted"), [(True, [1]), (False, [])])
def test_only_what_had_been_sold_counts_as_cancelled(was_confirmed, counted):
    event = OrderCancelled(order_id=new_id(), number="N", reason="", was_confirmed=was_confirmed)
    deliver(event, to="order")
    assert list(DailySales.objects.values_list("cancelled_orders", flat=True)) == counted
