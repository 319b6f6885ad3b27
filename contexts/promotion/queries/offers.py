"""What is on offer for a basket: one statement, whatever the number of promotions and lines."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connections

from contexts.promotion.domain import (
    DiscountKind,
    Refusal,
    Rule,
    Window,
    coupon_refusal,
    customer_keys,
    normalised_code,
    quote,
)
from contexts.promotion.interface import Basket, Quote
from contexts.promotion.models import Discount

OFFERS = """
    WITH coupon AS (
        SELECT coupons.*,
               (SELECT max(uses) FROM coupon_customer_uses
                WHERE coupon_id = coupons.id AND customer_key = ANY(%(keys)s::text[])) AS customer_uses
        FROM coupons JOIN discounts ON discounts.id = coupons.discount_id
        WHERE coupons.code = %(code)s AND discounts.requires_coupon
    ), offered AS (
        SELECT discounts.id
        FROM discounts JOIN campaigns ON campaigns.id = discounts.campaign_id
        WHERE NOT discounts.requires_coupon AND campaigns.active AND campaigns.starts_at <= %(now)s
          AND (campaigns.ends_at IS NULL OR campaigns.ends_at > %(now)s)
          AND (campaigns.usage_limit IS NULL OR campaigns.usage_count < campaigns.usage_limit)
        UNION
        SELECT discount_id FROM coupon
    )
    SELECT facts.status AS redemption_status, facts.bought,
           d.id, d.campaign_id, d.label, d.kind, d.percent, d.amount, d.buy_quantity, d.get_quantity,
           d.minimum_subtotal, d.category_ids, d.product_ids, d.first_purchase_only, d.priority, d.exclusive,
           d.stackable,
           c.active AS campaign_active, c.starts_at AS campaign_starts_at, c.ends_at AS campaign_ends_at,
           c.usage_limit AS campaign_usage_limit, c.usage_count AS campaign_usage_count, c.budget, c.budget_used,
           c.currency, c.priority AS campaign_priority,
           k.id AS coupon_id, k.code AS coupon_code, k.active AS coupon_active, k.starts_at AS coupon_starts_at,
           k.ends_at AS coupon_ends_at, k.usage_limit AS coupon_usage_limit, k.usage_count AS coupon_usage_count,
           k.per_customer_limit, k.customer_uses
    FROM (SELECT (SELECT status FROM redemptions WHERE id = %(redemption_id)s) AS status,
                 EXISTS (SELECT FROM buyers WHERE customer_key = ANY(%(keys)s::text[])) AS bought) AS facts
    LEFT JOIN (offered JOIN discounts AS d ON d.id = offered.id JOIN campaigns AS c ON c.id = d.campaign_id) ON true
    LEFT JOIN coupon AS k ON k.discount_id = d.id
"""


@dataclass(frozen=True, kw_only=True)
class CouponOffer:
    """The coupon of a basket, when it can be used."""

    id: UUID
    per_customer_limit: int | None


@dataclass(frozen=True, kw_only=True)
class Offers:
    """Everything that a quote needs to know, as of one moment."""

    rules: list[Rule]
    coupon: CouponOffer | None
    refusal: Refusal | None
    first_purchase: bool
    customer_keys: list[str]
    redemption_status: str
    """Of the redemption that was asked for; empty when there is none."""

    def quote(self, basket: Basket) -> Quote:
        return quote(basket=basket, rules=self.rules, first_purchase=self.first_purchase, refusal=self.refusal)


def find_offers(*, basket: Basket, now: datetime, redemption_id: UUID | None = None) -> Offers:
    """Return the running automatic discounts and the coupon's one, what the buyer used before, and the state of
    ``redemption_id``, in one statement.

    A buyer without account and e-mail counts as new in a preview, that is without ``redemption_id``; in a redemption
    such a buyer gets nothing that depends on who buys.
    """
    keys = customer_keys(customer_id=basket.customer_id, email=basket.email)
    anybody = not keys and redemption_id is not None
    parameters = {
        "keys": keys,
        "code": normalised_code(basket.coupon_code),
        "now": now,
        "redemption_id": redemption_id,
    }
    rows = _select(OFFERS, parameters)
    coupon = next((row for row in rows if row["coupon_id"]), None)
    refusal = _refusal(basket, coupon, anybody=anybody, now=now)
    return Offers(
        rules=[_rule(row) for row in rows if row["id"] and not (row is coupon and refusal)],
        coupon=_coupon(coupon) if coupon and not refusal else None,
        refusal=refusal,
        first_purchase=not rows[0]["bought"] and not anybody,
        customer_keys=keys,
        redemption_status=rows[0]["redemption_status"] or "",
    )


def _select(statement: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
    with connections[Discount.objects.db].cursor() as cursor:
        cursor.execute(statement, parameters)
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _refusal(basket: Basket, coupon: Mapping[str, Any] | None, *, anybody: bool, now: datetime) -> Refusal | None:
    if not basket.coupon_code:
        return None
    if coupon is None:
        return Refusal.UNKNOWN
    limit = coupon["per_customer_limit"]
    return coupon_refusal(
        coupon=_window(coupon, "coupon"),
        campaign=_window(coupon, "campaign"),
        per_customer_limit=limit,
        customer_uses=(limit or 0) if anybody else (coupon["customer_uses"] or 0),
        now=now,
    )


def _coupon(row: Mapping[str, Any]) -> CouponOffer:
    return CouponOffer(id=row["coupon_id"], per_customer_limit=row["per_customer_limit"])


def _window(row: Mapping[str, Any], of: str) -> Window:
    return Window(
        active=row[f"{of}_active"],
        starts_at=row[f"{of}_starts_at"],
        ends_at=row[f"{of}_ends_at"],
        usage_limit=row[f"{of}_usage_limit"],
        usage_count=row[f"{of}_usage_count"],
    )


def _rule(row: Mapping[str, Any]) -> Rule:
    return Rule(
        discount_id=row["id"],
        campaign_id=row["campaign_id"],
        label=row["label"],
        kind=DiscountKind(row["kind"]),
        percent=row["percent"] or Decimal(0),
        amount=row["amount"] or Decimal(0),
        buy_quantity=row["buy_quantity"] or 0,
        get_quantity=row["get_quantity"] or 0,
        currency=row["currency"],
        minimum_subtotal=row["minimum_subtotal"],
        category_ids=frozenset(row["category_ids"]),
        product_ids=frozenset(row["product_ids"]),
        first_purchase_only=row["first_purchase_only"],
        campaign_priority=row["campaign_priority"],
        priority=row["priority"],
        exclusive=row["exclusive"],
        stackable=row["stackable"],
        limited=row["campaign_usage_limit"] is not None or row["budget"] is not None,
        budget_left=None if row["budget"] is None else row["budget"] - row["budget_used"],
        coupon_code=row["coupon_code"] or "",
    )
