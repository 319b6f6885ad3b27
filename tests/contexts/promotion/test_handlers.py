from datetime import UTC, datetime
from uuid import UUID

import pytest

from contexts.order.events import OrderCancelled, OrderConfirmed
from contexts.promotion.events import CouponExhausted
from contexts.promotion.interface import PromotionInterface
from contexts.promotion.models import Buyer, Coupon, Redemption
from ecommerce.calls import connect
from ecommerce.ids import new_id
from ecommerce.testing import deliver, published
from tests.contexts.promotion.factories import CouponFactory, basket, brl

pytestmark = pytest.mark.django_db(databases=["promotion"])
promotion = connect(PromotionInterface)


def confirmed(order_id: UUID, customer_id: UUID | None = None) -> OrderConfirmed:
    return OrderConfirmed(
        order_id=order_id,
        number="2030-1",
        customer_id=customer_id,
        cart_id=None,
        lines=[],
        total=brl("90.00"),
        coupon_code="",
        confirmed_at=datetime(2030, 5, 1, tzinfo=UTC),
    )


def cancelled(order_id: UUID) -> OrderCancelled:
    return OrderCancelled(order_id=order_id, number="2030-1", reason="customer", was_confirmed=True)


def redeemed(coupon: Coupon) -> UUID:
    order_id = new_id()
    promotion.redeem(redemption_id=order_id, basket=basket(coupon_code=coupon.code), expected_discount=brl("10.00"))
    return order_id


def test_a_confirmed_order_confirms_its_redemption_once() -> None:
    coupon = CouponFactory(usage_limit=1)
    order_id, customer_id, event_id = redeemed(coupon), new_id(), new_id()
    for _ in range(2):
        deliver(confirmed(order_id, customer_id), to="promotion", subject=order_id, event_id=event_id)
    assert Redemption.objects.get().status == "confirmed"
    assert Buyer.objects.get().customer_key == f"customer:{customer_id}"
    assert published("promotion", CouponExhausted) == [CouponExhausted(coupon_id=coupon.id, code=coupon.code)]


def test_a_confirmed_order_without_redemption_makes_a_buyer() -> None:
    deliver(confirmed(new_id(), new_id()), to="promotion")
    assert Buyer.objects.count() == 1
    assert not Redemption.objects.exists()


def test_a_cancelled_order_gives_its_use_back_even_when_it_was_confirmed() -> None:
    coupon = CouponFactory(usage_limit=1)
    order_id = redeemed(coupon)
    deliver(confirmed(order_id), to="promotion", subject=order_id)
    deliver(cancelled(order_id), to="promotion", subject=order_id, version=2)
    deliver(cancelled(order_id), to="promotion", subject=order_id, version=3)
    coupon.refresh_from_db()
    assert (coupon.usage_count, coupon.confirmed_count) == (0, 0)
    assert not Buyer.objects.exists()
