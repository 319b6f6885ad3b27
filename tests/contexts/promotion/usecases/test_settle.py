from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from contexts.promotion.events import CouponExhausted
from contexts.promotion.models import Buyer, Campaign, Coupon, CouponCustomerUse, Redemption
from contexts.promotion.usecases.quote import quote_basket
from contexts.promotion.usecases.redeem import redeem
from contexts.promotion.usecases.settle import confirm, release
from ecommerce.ids import new_id
from ecommerce.testing import published
from tests.contexts.promotion.factories import NOW, CampaignFactory, CouponFactory, DiscountFactory, basket

pytestmark = pytest.mark.django_db(databases=["promotion"])
LATER = NOW + timedelta(hours=1)


def reserved(coupon: Coupon, **buyer: Any) -> UUID:
    redemption_id = new_id()
    bought = basket(coupon_code=coupon.code, **buyer)
    expected = quote_basket(basket=bought, now=NOW).total_discount
    redeem(redemption_id=redemption_id, basket=bought, expected_discount=expected, now=NOW)
    return redemption_id


def counts(coupon: Coupon) -> tuple[int, int]:
    coupon.refresh_from_db()
    return coupon.usage_count, coupon.confirmed_count


def test_a_confirmed_redemption_is_a_use_and_its_buyer_has_bought() -> None:
    coupon = CouponFactory(usage_limit=2)
    customer_id = new_id()
    redemption_id = reserved(coupon, email="ana@example.com")
    confirm(redemption_id=redemption_id, customer_id=customer_id, now=LATER)

    redemption = Redemption.objects.get()
    assert (redemption.status, redemption.confirmed_at) == ("confirmed", LATER)
    assert counts(coupon) == (1, 1)
    keys = Buyer.objects.values_list("customer_key", flat=True)
    assert set(keys) == {f"customer:{customer_id}", *redemption.customer_keys}


def test_the_last_confirmed_use_exhausts_the_coupon_once() -> None:
    coupon = CouponFactory(usage_limit=2)
    first, second = reserved(coupon), reserved(coupon)
    confirm(redemption_id=first, customer_id=None, now=LATER)
    assert published("promotion", CouponExhausted) == []
    confirm(redemption_id=second, customer_id=None, now=LATER)
    confirm(redemption_id=second, customer_id=None, now=LATER)
    assert published("promotion", CouponExhausted) == [CouponExhausted(coupon_id=coupon.id, code=coupon.code)]


def test_a_coupon_can_be_exhausted_again_after_a_use_came_back() -> None:
    coupon = CouponFactory(usage_limit=1)
    for _ in range(2):
        redemption_id = reserved(coupon)
        confirm(redemption_id=redemption_id, customer_id=None, now=LATER)
        release(redemption_id=redemption_id, now=LATER)
    assert len(published("promotion", CouponExhausted)) == 2
    assert counts(coupon) == (0, 0)


def test_a_confirmation_of_an_unknown_redemption_only_remembers_the_buyer() -> None:
    customer_id = new_id()
    confirm(redemption_id=new_id(), customer_id=customer_id, now=NOW)
    assert not Redemption.objects.exists()
    assert Buyer.objects.get().customer_key == f"customer:{customer_id}"


def test_a_released_redemption_is_not_confirmed() -> None:
    coupon = CouponFactory(usage_limit=1)
    redemption_id = reserved(coupon)
    release(redemption_id=redemption_id, now=NOW)
    confirm(redemption_id=redemption_id, customer_id=None, now=LATER)
    assert counts(coupon) == (0, 0)
    assert published("promotion", CouponExhausted) == []
    assert not Buyer.objects.exists()


def test_whoever_cancelled_before_the_confirmation_was_heard_of_has_bought_nothing() -> None:
    order_id = new_id()
    release(redemption_id=order_id, now=NOW)
    confirm(redemption_id=order_id, customer_id=new_id(), now=LATER)
    assert not Buyer.objects.exists()


@pytest.mark.parametrize("confirmed", [False, True])
def test_release_gives_everything_back_once(confirmed: bool) -> None:
    campaign = CampaignFactory(usage_limit=5, budget=Decimal(100))
    automatic = DiscountFactory(campaign__budget=Decimal(50))
    coupon = CouponFactory(discount__campaign=campaign, usage_limit=1, per_customer_limit=1)
    redemption_id = reserved(coupon, customer_id=new_id(), email="ana@example.com")
    assert Campaign.objects.filter(budget_used__gt=0, usage_count=1).count() == 2
    if confirmed:
        confirm(redemption_id=redemption_id, customer_id=None, now=NOW)
        assert Buyer.objects.exists()
    for _ in range(2):
        release(redemption_id=redemption_id, now=LATER)

    for row in (campaign, automatic.campaign):
        row.refresh_from_db()
        assert (row.usage_count, row.budget_used) == (0, 0)
    assert counts(coupon) == (0, 0)
    assert set(CouponCustomerUse.objects.values_list("uses", flat=True)) == {0}
    assert not Buyer.objects.exists()
    redemption = Redemption.objects.get()
    assert (redemption.status, redemption.released_at) == ("released", LATER)


def test_a_use_that_came_back_can_be_taken_again() -> None:
    coupon = CouponFactory(usage_limit=1, per_customer_limit=1)
    release(redemption_id=reserved(coupon, email="ana@example.com"), now=NOW)
    reserved(coupon, email="ana@example.com")
    assert counts(coupon) == (1, 0)


def test_releasing_one_order_keeps_the_buyer_of_another() -> None:
    customer_id, kept, cancelled = new_id(), new_id(), new_id()
    for order_id in (kept, cancelled):
        confirm(redemption_id=order_id, customer_id=customer_id, now=NOW)
    release(redemption_id=cancelled, now=NOW)
    assert Buyer.objects.get().order_id == kept


def test_releasing_an_unknown_redemption_leaves_a_tombstone() -> None:
    redemption_id = new_id()
    for _ in range(2):
        release(redemption_id=redemption_id, now=NOW)
    tombstone = Redemption.objects.get()
    assert (tombstone.id, tombstone.status, tombstone.reserved_at) == (redemption_id, "released", None)


def test_statement_counts() -> None:
    coupon = CouponFactory(usage_limit=1, per_customer_limit=1, discount__campaign__budget=Decimal(100))
    redemption_id = reserved(coupon, customer_id=new_id(), email="ana@example.com")

    def statements() -> list[str]:
        words = [query["sql"].split()[0] for query in captured.captured_queries]
        return [word for word in words if word not in {"SAVEPOINT", "RELEASE", "BEGIN", "COMMIT", "NOTIFY"}]

    with CaptureQueriesContext(connections["promotion"]) as captured:
        confirm(redemption_id=redemption_id, customer_id=new_id(), now=NOW)
    # redemption, buyers, redemption, coupon, coupon, outbox
    assert statements() == ["SELECT", "INSERT", "UPDATE", "SELECT", "UPDATE", "INSERT"]
    with CaptureQueriesContext(connections["promotion"]) as captured:
        release(redemption_id=redemption_id, now=NOW)
    # redemption, buyers, redemption, campaigns, coupon, customer
    assert statements() == ["SELECT", "DELETE", "UPDATE", "UPDATE", "UPDATE", "UPDATE"]


def test_a_guest_buys_for_the_first_time_once() -> None:
    DiscountFactory(first_purchase_only=True)
    bought = basket(email="ana@example.com")
    expected = quote_basket(basket=bought, now=NOW).total_discount
    assert expected
    redemption_id = new_id()
    redeem(redemption_id=redemption_id, basket=bought, expected_discount=expected, now=NOW)
    assert not quote_basket(basket=bought, now=NOW).total_discount  # not even while the first one waits for its money
    confirm(redemption_id=redemption_id, customer_id=None, now=LATER)
    assert not quote_basket(basket=bought, now=LATER).total_discount
    assert quote_basket(basket=basket(email="bia@example.com"), now=LATER).total_discount == expected


def test_a_first_purchase_that_is_cancelled_was_none() -> None:
    DiscountFactory(first_purchase_only=True)
    bought = basket(email="ana@example.com")
    expected = quote_basket(basket=bought, now=NOW).total_discount
    redemption_id = new_id()
    redeem(redemption_id=redemption_id, basket=bought, expected_discount=expected, now=NOW)
    release(redemption_id=redemption_id, now=LATER)
    assert quote_basket(basket=bought, now=LATER).total_discount == expected
    redeem(redemption_id=new_id(), basket=bought, expected_discount=expected, now=LATER)
