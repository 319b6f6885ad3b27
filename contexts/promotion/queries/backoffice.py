"""Campaigns and coupons as staff sees them."""

from typing import Any
from uuid import UUID

from django.db.models import F, QuerySet

from contexts.promotion.domain import normalised_code
from contexts.promotion.models import Campaign, Coupon, Discount, Redemption
from ecommerce.money import Money

CAMPAIGN_FIELDS = (
    "id",
    "name",
    "active",
    "starts_at",
    "ends_at",
    "priority",
    "usage_limit",
    "usage_count",
    "budget",
    "budget_used",
    "currency",
    "version",
)
DISCOUNT_FIELDS = (
    "id",
    "label",
    "kind",
    "percent",
    "amount",
    "buy_quantity",
    "get_quantity",
    "minimum_subtotal",
    "category_ids",
    "product_ids",
    "first_purchase_only",
    "priority",
    "exclusive",
    "stackable",
    "requires_coupon",
)
COUPON_FIELDS = (
    "id",
    "code",
    "discount_id",
    "batch_id",
    "active",
    "starts_at",
    "ends_at",
    "usage_limit",
    "usage_count",
    "confirmed_count",
    "per_customer_limit",
    "version",
)
Row = dict[str, Any]


def list_campaigns(*, limit: int, after: UUID | None = None, active: bool | None = None) -> list[Row]:
    """Return campaigns, newest first, without their discounts."""
    rows = _after(Campaign.objects.order_by("-id"), after)
    if active is not None:
        rows = rows.filter(active=active)
    return [_campaign(row) for row in rows.values(*CAMPAIGN_FIELDS)[:limit]]


def get_campaign(*, campaign_id: UUID) -> Row | None:
    """Return a campaign with its discounts in the order of their evaluation; two statements."""
    row = Campaign.objects.filter(id=campaign_id).values(*CAMPAIGN_FIELDS).first()
    if row is None:
        return None
    discounts = Discount.objects.filter(campaign_id=campaign_id).order_by("-priority", "-exclusive", "id")
    currency = row["currency"]
    return {
        **_campaign(row),
        "discounts": [_discount(discount, currency) for discount in discounts.values(*DISCOUNT_FIELDS)],
    }


def list_coupons(
    *,
    limit: int,
    after: UUID | None = None,
    campaign_id: UUID | None = None,
    discount_id: UUID | None = None,
    batch_id: UUID | None = None,
    active: bool | None = None,
) -> list[Row]:
    """Return coupons, newest first."""
    filters = {
        "discount__campaign_id": campaign_id,
        "discount_id": discount_id,
        "batch_id": batch_id,
        "active": active,
    }
    rows = _after(Coupon.objects.order_by("-id"), after)
    rows = rows.filter(**{name: value for name, value in filters.items() if value is not None})
    return list(rows.values(*COUPON_FIELDS)[:limit])


def get_coupon(*, code: str) -> Row | None:
    """Return a coupon by its code in any case, with what it still allows."""
    row = (
        Coupon.objects.filter(code=normalised_code(code))
        .values(*COUPON_FIELDS, reserved_count=F("usage_count") - F("confirmed_count"))
        .first()
    )
    if row is None:
        return None
    limit = row["usage_limit"]
    return {**row, "uses_left": None if limit is None else limit - row["usage_count"]}


def list_redemptions(*, coupon_id: UUID, limit: int, after: UUID | None = None) -> list[Row]:
    """Return the redemptions of a coupon by descending order id, each with its discount."""
    rows = _after(Redemption.objects.filter(coupon_id=coupon_id).order_by("-id"), after)
    fields = ("id", "status", "amounts", "reserved_at", "confirmed_at", "released_at")
    return [_redemption(row) for row in rows.values(*fields)[:limit]]


def _after(rows: QuerySet[Any], after: UUID | None) -> QuerySet[Any]:
    return rows if after is None else rows.filter(id__lt=after)


def _campaign(row: Row) -> Row:
    currency = row["currency"]
    return {
        **row,
        "budget": None if row["budget"] is None else Money(row["budget"], currency),
        "budget_used": Money(row["budget_used"], currency),
    }


def _discount(row: Row, currency: str) -> Row:
    return {
        **row,
        "amount": None if row["amount"] is None else Money(row["amount"], currency),
        "minimum_subtotal": Money(row["minimum_subtotal"], currency),
    }


def _redemption(row: Row) -> Row:
    amounts = row.pop("amounts")
    return {
        "order_id": row.pop("id"),
        "discount": {"amount": amounts["total"], "currency": amounts["currency"]},
        **row,
    }
