from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from contexts.promotion.domain import customer_keys
from contexts.promotion.interface import Quote
from contexts.promotion.models import Buyer, CouponCustomerUse
from contexts.promotion.usecases.quote import quote_basket
from ecommerce.ids import new_id
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


def quoted(*lines: Any, **values: Any) -> Quote:
    return quote_basket(basket=basket(*lines, **values), now=NOW)


def test_automatic_discounts_of_running_campaigns_apply() -> None:
    DiscountFactory(label="Corre", percent=Decimal(10))
    for closed in (
        {"active": False},
        {"starts_at": NOW + timedelta(seconds=1)},
        {"starts_at": NOW - timedelta(days=2), "ends_at": NOW},
        {"usage_limit": 5, "usage_count": 5},
        {"budget": Decimal(20), "budget_used": Decimal(15)},
    ):
        DiscountFactory(campaign=CampaignFactory(**closed))
    result = quoted(line("100.00"))
    assert [discount.label for discount in result.applied] == ["Corre"]
    assert result.total_discount == brl("10.00")


def test_a_discount_that_requires_a_coupon_needs_it() -> None:
    coupon = CouponFactory(code="NATAL10")
    assert quoted().total_discount == brl("0.00")
    result = quoted(coupon_code=" natal10")
    assert result.total_discount == brl("10.00")
    assert result.applied[0].coupon_code == "NATAL10"
    assert result.applied[0].discount_id == coupon.discount_id


@pytest.mark.parametrize(
    ("coupon", "campaign", "reason"),
    [
        ({"active": False}, {}, "ended"),
        ({"starts_at": NOW + timedelta(hours=1)}, {}, "not_started"),
        ({"ends_at": NOW}, {}, "ended"),
        ({"usage_limit": 2, "usage_count": 2}, {}, "exhausted"),
        ({}, {"active": False}, "ended"),
        ({}, {"starts_at": NOW + timedelta(hours=1)}, "not_started"),
        ({}, {"usage_limit": 1, "usage_count": 1}, "exhausted"),
        ({}, {"budget": Decimal(10), "budget_used": Decimal("0.01")}, "budget"),
        ({}, {"budget": Decimal(10)}, ""),
    ],
)
def test_says_why_the_coupon_is_refused(coupon: dict[str, Any], campaign: dict[str, Any], reason: str) -> None:
    discount = DiscountFactory(requires_coupon=True, campaign=CampaignFactory(**campaign))
    CouponFactory(code="CUPOM", discount=discount, **coupon)
    assert quoted(coupon_code="CUPOM").coupon_refusal == reason


@pytest.mark.parametrize("code", ["NADA", "a b", "\x00", "ç" * 500])
def test_an_unknown_code_is_unknown_and_leaves_automatic_discounts(code: str) -> None:
    DiscountFactory()
    result = quoted(coupon_code=code)
    assert (result.coupon_refusal, result.total_discount) == ("unknown", brl("10.00"))


def test_a_coupon_of_an_automatic_discount_is_unknown() -> None:
    CouponFactory(code="CUPOM", discount=DiscountFactory(requires_coupon=False))
    result = quoted(coupon_code="CUPOM")
    assert (result.coupon_refusal, result.total_discount) == ("unknown", brl("10.00"))


def test_a_customer_at_the_limit_is_refused_as_account_and_as_guest() -> None:
    coupon = CouponFactory(code="UMA", per_customer_limit=1)
    customer_id, email = new_id(), "ana@example.com"
    for key in customer_keys(customer_id=customer_id, email=email):
        CouponCustomerUse.objects.create(coupon=coupon, customer_key=key, uses=1)
    for buyer in (
        {"customer_id": customer_id},
        {"email": "ANA@example.com"},
        {"customer_id": new_id(), "email": email},
    ):
        assert quoted(coupon_code="UMA", **buyer).coupon_refusal == "customer_limit"
    for buyer in ({"customer_id": new_id()}, {"email": "outra@example.com"}, {}):
        assert quoted(coupon_code="UMA", **buyer).coupon_refusal == ""


def test_a_first_purchase_discount_is_for_those_who_never_bought() -> None:
    DiscountFactory(first_purchase_only=True)
    known = new_id()
    Buyer.objects.create(order_id=new_id(), customer_key=customer_keys(customer_id=known, email="")[0])
    assert quoted(customer_id=new_id()).total_discount == brl("10.00")
    assert quoted().total_discount == brl("10.00")
    assert quoted(customer_id=known).total_discount == brl("0.00")


def test_takes_one_statement_whatever_the_number_of_promotions_and_lines() -> None:
    CouponFactory(code="CUPOM", per_customer_limit=1)
    with CaptureQueriesContext(connections["promotion"]) as small:
        quoted(coupon_code="CUPOM", customer_id=new_id())
    DiscountFactory.create_batch(30)
    with CaptureQueriesContext(connections["promotion"]) as large:
        quoted(*(line() for _ in range(200)), coupon_code="CUPOM", customer_id=new_id(), email="a@b.c")
    assert len(small) == len(large) == 1
