"""Rows and baskets for tests of promotion."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import factory

from contexts.promotion.domain import DiscountKind, Rule
from contexts.promotion.interface import Basket, BasketLine
from contexts.promotion.models import Campaign, Coupon, CouponBatch, Discount
from ecommerce.ids import new_id
from ecommerce.money import Money

NOW = datetime(2030, 5, 1, 12, 0, tzinfo=UTC)


class CampaignFactory(factory.django.DjangoModelFactory[Campaign]):
    class Meta:
        model = Campaign

    name = factory.Sequence(lambda number: f"Campanha {number}")
    active = True
    starts_at = datetime(2020, 1, 1, tzinfo=UTC)


class DiscountFactory(factory.django.DjangoModelFactory[Discount]):
    class Meta:
        model = Discount

    campaign = factory.SubFactory(CampaignFactory)
    label = factory.Sequence(lambda number: f"Desconto {number}")
    kind = "percentage"
    percent = Decimal(10)


class CouponFactory(factory.django.DjangoModelFactory[Coupon]):
    class Meta:
        model = Coupon

    code = factory.Sequence(lambda number: f"CUPOM{number}")
    discount = factory.SubFactory(DiscountFactory, requires_coupon=True)


class CouponBatchFactory(factory.django.DjangoModelFactory[CouponBatch]):
    class Meta:
        model = CouponBatch

    discount = factory.SubFactory(DiscountFactory, requires_coupon=True)
    size = 5


def brl(amount: str) -> Money:
    return Money(Decimal(amount))


def line(
    price: str = "100.00",
    quantity: int = 1,
    *,
    line_id: str = "",
    variant_id: UUID | None = None,
    product_id: UUID | None = None,
    category_ids: list[UUID] | None = None,
) -> BasketLine:
    variant_id = variant_id or new_id()
    return BasketLine(
        line_id=line_id or str(variant_id),
        variant_id=variant_id,
        product_id=product_id or new_id(),
        category_ids=category_ids or [],
        unit_price=brl(price),
        quantity=quantity,
    )


def basket(*lines: BasketLine, **values: Any) -> Basket:
    return Basket(lines=list(lines) or [line()], **values)


def rule(kind: DiscountKind = DiscountKind.PERCENTAGE, **values: Any) -> Rule:
    defaults: dict[str, Any] = {"discount_id": new_id(), "campaign_id": new_id(), "label": "Desconto", "kind": kind}
    return Rule(**{**defaults, **values})
