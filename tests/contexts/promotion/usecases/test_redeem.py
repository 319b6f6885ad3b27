from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from contexts.promotion.interface import Basket, CouponRefused, RedemptionClosed
from contexts.promotion.models import Campaign, Coupon, CouponCustomerUse, Redemption
from contexts.promotion.usecases.quote import quote_basket
from contexts.promotion.usecases.redeem import redeem
from contexts.promotion.usecases.settle import release
from ecommerce.ids import new_id
from ecommerce.money import Money
from tests.contexts.promotion.factories import (
    NOW,
    CampaignFactory,
    CouponFactory,
    DiscountFactory,
    basket,
    brl,
    line,
)

pytestmark = pytest.mark.django_db(databases=["promotion"])


def redeemed(basket: Basket, *, expected: Money | None = None, redemption_id: UUID | None = None) -> UUID:
    redemption_id = redemption_id or new_id()
    if expected is None:
        expected = quote_basket(basket=basket, now=NOW).total_discount
    redeem(redemption_id=redemption_id, basket=basket, expected_discount=expected, now=NOW)
    return redemption_id


def statements(basket: Basket, expected: Money) -> list[str]:
    with CaptureQueriesContext(connections["promotion"]) as captured:
        redeem(redemption_id=new_id(), basket=basket, expected_discount=expected, now=NOW)
    words = [query["sql"].split()[0] for query in captured.captured_queries]
    return [word for word in words if word not in {"SAVEPOINT", "RELEASE", "BEGIN", "COMMIT"}]


def test_reserves_what_the_quote_said() -> None:
    campaign = CampaignFactory(usage_limit=10, budget=Decimal("100.00"))
    coupon = CouponFactory(discount__campaign=campaign, usage_limit=5, per_customer_limit=2)
    customer_id = new_id()
    redemption_id = redeemed(basket(line("80.00", 2), coupon_code=coupon.code, customer_id=customer_id))

    campaign.refresh_from_db()
    coupon.refresh_from_db()
    redemption = Redemption.objects.get(id=redemption_id)
    assert (campaign.usage_count, campaign.budget_used) == (1, Decimal("16.00"))
    assert (coupon.usage_count, coupon.confirmed_count) == (1, 0)
    assert CouponCustomerUse.objects.get(coupon=coupon).customer_key == f"customer:{customer_id}"
    assert redemption.status == "reserved"
    assert redemption.amounts["total"] == "16.00"
    assert redemption.charged_campaigns == {campaign.id: Decimal("16.00")}


def test_is_idempotent_by_id_whatever_comes_with_it() -> None:
    coupon = CouponFactory(usage_limit=1)
    redemption_id = redeemed(basket(coupon_code=coupon.code))
    redeemed(basket(coupon_code=coupon.code), redemption_id=redemption_id, expected=brl("10.00"))
    redeemed(basket(line("7.00")), redemption_id=redemption_id, expected=brl("3.00"))
    assert Coupon.objects.get().usage_count == 1


def test_a_basket_without_limits_costs_one_read_and_leaves_no_row() -> None:
    DiscountFactory.create_batch(3, stackable=True)
    bought = basket(line("100.00"))
    expected = quote_basket(basket=bought, now=NOW).total_discount
    assert expected == brl("27.10")
    assert statements(bought, expected) == ["WITH"]
    assert not Redemption.objects.exists()
    assert not Campaign.objects.exclude(usage_count=0).exists()


def test_statement_count_does_not_depend_on_promotions_and_lines() -> None:
    DiscountFactory(campaign__usage_limit=9)
    coupon = CouponFactory(usage_limit=9, per_customer_limit=9, discount__campaign__budget=Decimal(10_000))
    buyer: dict[str, Any] = {"coupon_code": coupon.code, "customer_id": new_id(), "email": "ana@example.com"}
    expected = ["WITH", "INSERT", "UPDATE", "UPDATE", "INSERT"]
    small = basket(**buyer)
    assert statements(small, quote_basket(basket=small, now=NOW).total_discount) == expected
    for _ in range(10):
        DiscountFactory(campaign__usage_limit=9, percent=Decimal(1))
    large = basket(*(line() for _ in range(100)), **buyer)
    assert statements(large, quote_basket(basket=large, now=NOW).total_discount) == expected


@pytest.mark.parametrize("expected", ["9.99", "10.01", "0.00"])
def test_another_total_than_expected_is_refused_with_the_new_one(expected: str) -> None:
    coupon = CouponFactory()
    with pytest.raises(CouponRefused) as refused:
        redeemed(basket(coupon_code=coupon.code), expected=brl(expected))
    assert refused.value.params["total_discount"] == {"amount": "10.00", "currency": "BRL"}
    assert not Redemption.objects.exists()


def test_another_total_is_refused_without_a_coupon_too() -> None:
    with pytest.raises(CouponRefused) as refused:
        redeemed(basket(), expected=brl("5.00"))
    assert refused.value.params == {
        "reason": "not_applicable",
        "total_discount": {"amount": "0.00", "currency": "BRL"},
    }


def test_a_coupon_that_does_not_apply_is_refused_even_if_the_total_is_right() -> None:
    DiscountFactory()
    with pytest.raises(CouponRefused) as refused:
        redeemed(basket(coupon_code="NADA"), expected=brl("10.00"))
    assert refused.value.params["reason"] == "unknown"


def test_a_coupon_that_takes_nothing_off_is_not_used_up() -> None:
    coupon = CouponFactory(discount__kind="free_shipping", discount__percent=None, usage_limit=1)
    redeemed(basket(coupon_code=coupon.code), expected=brl("0.00"))
    assert Coupon.objects.get().usage_count == 0


def test_who_gives_no_name_gets_nothing_that_depends_on_it() -> None:
    coupon = CouponFactory(per_customer_limit=1)
    with pytest.raises(CouponRefused) as refused:
        redeemed(basket(coupon_code=coupon.code), expected=brl("10.00"))
    assert refused.value.params["reason"] == "customer_limit"

    first = CouponFactory(discount__first_purchase_only=True)
    with pytest.raises(CouponRefused) as refused:
        redeemed(basket(coupon_code=first.code), expected=brl("10.00"))
    assert refused.value.params["reason"] == "first_purchase_only"


def test_the_customer_limit_counts_account_and_e_mail_together() -> None:
    coupon = CouponFactory(per_customer_limit=1)
    redeemed(basket(coupon_code=coupon.code, customer_id=new_id(), email="ana@example.com"))
    with pytest.raises(CouponRefused) as refused:
        redeemed(basket(coupon_code=coupon.code, email="Ana@example.com"), expected=brl("10.00"))
    assert refused.value.params["reason"] == "customer_limit"


def test_a_released_redemption_stays_closed() -> None:
    redemption_id = new_id()
    release(redemption_id=redemption_id, now=NOW)
    with pytest.raises(RedemptionClosed):
        redeemed(basket(), redemption_id=redemption_id)

    coupon = CouponFactory(usage_limit=1)
    redemption_id = redeemed(basket(coupon_code=coupon.code))
    release(redemption_id=redemption_id, now=NOW)
    with pytest.raises(RedemptionClosed):
        redeemed(basket(coupon_code=coupon.code), redemption_id=redemption_id)


def test_a_limit_reached_after_the_quote_takes_nothing_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between quote and reservation somebody else takes the coupon's last use: the campaign is not charged either."""
    campaign = CampaignFactory(usage_limit=10)
    coupon = CouponFactory(discount__campaign=campaign, usage_limit=1)
    charge = Campaign.objects.charge

    def charge_late(amounts: dict[UUID, Decimal]) -> bool:
        Coupon.objects.filter(id=coupon.id).update(usage_count=1)
        return charge(amounts)

    monkeypatch.setattr(Campaign.objects, "charge", charge_late)
    with pytest.raises(CouponRefused):
        redeemed(basket(coupon_code=coupon.code), expected=brl("10.00"))
    campaign.refresh_from_db()
    assert campaign.usage_count == 0
    assert not Redemption.objects.exists()
