from contextlib import nullcontext
from datetime import timedelta
from uuid import UUID

import pytest

from contexts.cart.models import AbandonedCart, ExhaustedCoupon, VariantPrice
from contexts.cart.usecases import abandonment, reviews
from contexts.catalog.events import VariantPriceChanged
from contexts.order.events import OrderConfirmed
from contexts.promotion.events import CouponExhausted
from ecommerce.ids import new_id
from ecommerce.inbox.receipt import Overtaken
from ecommerce.testing import deliver
from tests.contexts.cart.conftest import COUPON
from tests.contexts.cart.factories import NOON, brl, cart_with

pytestmark = pytest.mark.django_db(databases=["cart"])
HOUR = timedelta(hours=1)


def price_changed(variant_id, price, *, version):
    event = VariantPriceChanged(variant_id=variant_id, old_price=brl("1.00"), new_price=brl(price))
    deliver(event, to="cart", subject=variant_id, version=version)


def order_confirmed(cart_id: UUID | None, *, total="42.00", after=3 * HOUR):
    return OrderConfirmed(
        order_id=new_id(),
        number="1001",
        customer_id=None,
        cart_id=cart_id,
        lines=[],
        total=brl(total),
        coupon_code="",
        confirmed_at=NOON + after,
    )


def test_the_last_known_price_stands_in_while_catalog_is_away(catalog):
    variant = catalog.sell(price=brl("10.00"))
    cart, caller = cart_with(variant)
    price_changed(variant.id, "12.00", version=3)
    catalog.is_down = True
    _, review = reviews.review_cart(cart_id=cart.id, caller=caller)
    assert (review.total, review.lines[0].issues) == (brl("12.00"), ["price_changed"])


def test_an_older_price_never_replaces_a_newer_one():
    variant_id = new_id()
    for version, price, is_late in ((2, "12.00", False), (1, "11.00", True), (3, "13.00", False), (2, "12.00", True)):
        with pytest.raises(Overtaken) if is_late else nullcontext():
            price_changed(variant_id, price, version=version)
    row = VariantPrice.objects.get(variant_id=variant_id)
    assert (row.price, row.version) == (brl("13.00").amount, 3)


def test_one_row_flags_every_cart_that_took_the_coupon_before_it_ran_out(catalog, promotion):
    carts = [cart_with(catalog.sell()) for _ in range(2)]
    for cart, caller in carts:
        reviews.apply_coupon(cart_id=cart.id, caller=caller, code=COUPON, now=NOON)
    deliver(CouponExhausted(coupon_id=new_id(), code=COUPON), to="cart")
    assert ExhaustedCoupon.objects.count() == 1
    promotion.is_down = True
    for cart, caller in carts:
        assert reviews.review_cart(cart_id=cart.id, caller=caller)[1].coupon_refusal == "exhausted"


def test_a_coupon_taken_after_it_was_refilled_is_not_flagged(catalog, promotion):
    deliver(CouponExhausted(coupon_id=new_id(), code=COUPON), to="cart")
    cart, caller = cart_with(catalog.sell())
    later = ExhaustedCoupon.objects.get().exhausted_at + HOUR
    reviews.apply_coupon(cart_id=cart.id, caller=caller, code=COUPON, now=later)
    promotion.is_down = True
    assert reviews.review_cart(cart_id=cart.id, caller=caller)[1].coupon_refusal == ""


def test_an_abandoned_cart_that_is_paid_for_counts_as_recovered_once(catalog):
    cart, _ = cart_with(catalog.sell(), email="ana@example.com")
    abandonment.detect_abandoned(now=NOON + 2 * HOUR, inactive_for=HOUR)
    event, event_id = order_confirmed(cart.id), new_id()
    for _ in range(2):
        deliver(event, to="cart", event_id=event_id)
    row = AbandonedCart.objects.get()
    assert (row.recovered_order_id, row.recovered_amount, row.recovered_at) == (
        event.order_id,
        brl("42.00").amount,
        event.confirmed_at,
    )


def test_only_the_latest_abandonment_is_credited(catalog):
    cart, _ = cart_with(catalog.sell(), email="ana@example.com")
    for days in (0, 10):
        AbandonedCart.objects.create(
            cart_id=cart.id, cart_version=days + 1, detected_at=NOON + timedelta(days=days), notified=True,
            pieces=1, subtotal_amount=10, currency="BRL",
        )  # fmt: skip
    deliver(order_confirmed(cart.id, after=timedelta(days=11)), to="cart")
    assert AbandonedCart.objects.get(recovered_at__isnull=False).cart_version == 11


@pytest.mark.parametrize("after", [HOUR, 3 * HOUR])
def test_orders_that_no_abandonment_preceded_are_credited_to_none(catalog, after):
    cart, _ = cart_with(catalog.sell(), email="ana@example.com")
    abandonment.detect_abandoned(now=NOON + 2 * HOUR, inactive_for=HOUR)
    before_detection = after < 2 * HOUR
    deliver(order_confirmed(cart.id if before_detection else None, after=after), to="cart")
    deliver(order_confirmed(new_id(), after=after), to="cart")
    assert AbandonedCart.objects.get().recovered_at is None
