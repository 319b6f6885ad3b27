"""What PostgreSQL itself refuses, whoever writes."""

from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, models

from contexts.promotion.models import Buyer, CouponCustomerUse, Redemption
from ecommerce.ids import new_id
from tests.contexts.promotion.factories import NOW, CampaignFactory, CouponBatchFactory, CouponFactory, DiscountFactory

pytestmark = pytest.mark.django_db(databases=["promotion"])


def refuse(row: models.Model, constraint: str, **values: Any) -> None:
    with pytest.raises(IntegrityError, match=constraint):
        type(row)._default_manager.filter(pk=row.pk).update(**values)


@pytest.mark.parametrize(
    ("values", "constraint"),
    [
        ({"usage_count": 11}, "campaign_usage_within_limit"),
        ({"usage_count": -1}, "usage_count_check"),
        ({"budget_used": Decimal("100.01")}, "campaign_within_budget"),
        ({"budget_used": Decimal("-0.01")}, "campaign_budget_used_not_negative"),
        ({"ends_at": NOW}, "campaign_ends_after_start"),
    ],
)
def test_campaigns_keep_their_limits(values: dict[str, Any], constraint: str) -> None:
    refuse(CampaignFactory(starts_at=NOW, usage_limit=10, budget=Decimal(100)), constraint, **values)


@pytest.mark.parametrize(
    ("values", "constraint"),
    [
        ({"usage_count": 3}, "coupon_usage_within_limit"),
        ({"usage_count": -1, "confirmed_count": -1}, "_count_check"),
        ({"confirmed_count": 1}, "coupon_confirmed_within_usage"),
        ({"code": "natal"}, "coupon_code_capital"),
        ({"code": "OUTRO"}, "coupons_code"),
        ({"starts_at": NOW, "ends_at": NOW}, "coupon_ends_after_start"),
    ],
)
def test_coupons_keep_their_limits(values: dict[str, Any], constraint: str) -> None:
    CouponFactory(code="OUTRO")
    refuse(CouponFactory(usage_limit=2), constraint, **values)


@pytest.mark.parametrize(
    "values",
    [
        {"percent": None},
        {"percent": Decimal("100.01")},
        {"percent": Decimal(0)},
        {"amount": Decimal(1)},
        {"buy_quantity": 1},
        {"kind": "fixed"},
        {"kind": "fixed", "percent": None},
        {"kind": "fixed", "percent": None, "amount": Decimal(0)},
        {"kind": "buy_x_get_y", "buy_quantity": 2},
        {"kind": "buy_x_get_y", "buy_quantity": 2, "get_quantity": 0},
        {"kind": "buy_x_get_y", "percent": None, "buy_quantity": 2, "get_quantity": 1},
        {"kind": "free_shipping"},
        {"kind": "gift"},
    ],
)
def test_discounts_have_the_values_of_their_kind(values: dict[str, Any]) -> None:
    refuse(DiscountFactory(), "discount_values_fit_kind", **values)


@pytest.mark.parametrize(
    "values",
    [
        {"reserved_at": None},
        {"confirmed_at": NOW},
        {"status": "confirmed"},
        {"status": "released"},
        {"status": "lost"},
    ],
)
def test_redemptions_have_the_times_of_their_status(values: dict[str, Any]) -> None:
    redemption = Redemption.objects.create(id=new_id(), status="reserved", reserved_at=NOW)
    refuse(redemption, "redemption_times_fit_status", **values)


def test_customers_and_buyers_are_counted_in_one_row() -> None:
    coupon, order_id = CouponFactory(), new_id()
    CouponCustomerUse.objects.create(coupon=coupon, customer_key="a", uses=1)
    Buyer.objects.remember(order_id=order_id, customer_keys=["a", "b"])
    Buyer.objects.remember(order_id=order_id, customer_keys=["b"])
    assert Buyer.objects.count() == 2
    with pytest.raises(IntegrityError, match="coupon_customer_once"):
        CouponCustomerUse.objects.create(coupon=coupon, customer_key="a", uses=1)


def test_a_use_cannot_be_given_back_twice() -> None:
    refuse(CouponCustomerUse.objects.create(coupon=CouponFactory(), customer_key="a", uses=0), "uses_check", uses=-1)


def test_batches_have_a_size_and_repeat_no_code() -> None:
    batch = CouponBatchFactory(size=50, prefix="LOTE-")
    codes = batch.generate()
    assert len(set(codes)) == 50
    assert set(batch.coupons.values_list("code", flat=True)) == set(codes)
    refuse(batch, "coupon_batch_size", size=10_001)
