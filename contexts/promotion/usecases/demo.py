"""Campaigns to try the shop with."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from contexts.promotion.models import Campaign, Coupon, Discount
from ecommerce.unit_of_work import unit_of_work


@dataclass(frozen=True, kw_only=True)
class Demo:
    """One campaign with one discount, and with the coupon ``code`` unless that is empty."""

    name: str
    discount: dict[str, Any]
    campaign: dict[str, Any] = field(default_factory=lambda: {"active": True})
    code: str = ""
    coupon: dict[str, Any] = field(default_factory=dict)


DEMOS = [
    Demo(
        name="Boas-vindas",
        discount={
            "label": "10% na primeira compra",
            "kind": "percentage",
            "percent": Decimal(10),
            "first_purchase_only": True,
        },
        code="BEMVINDO10",
        coupon={"per_customer_limit": 1},
    ),
    Demo(
        name="Frete grátis",
        discount={"label": "Frete grátis", "kind": "free_shipping"},
        code="FRETEGRATIS",
    ),
    Demo(
        name="Menos cinquenta",
        discount={
            "label": "R$ 50 de desconto acima de R$ 300",
            "kind": "fixed",
            "amount": Decimal(50),
            "minimum_subtotal": Decimal(300),
        },
        code="MENOS50",
        coupon={"usage_limit": 100, "per_customer_limit": 1},
    ),
    Demo(
        name="Leve 3, pague 2",
        campaign={"active": False},
        discount={
            "label": "Leve 3, pague 2",
            "kind": "buy_x_get_y",
            "percent": Decimal(100),
            "buy_quantity": 2,
            "get_quantity": 1,
        },
    ),
]
"""The last one needs no coupon and is switched off, so that totals stay predictable until somebody wants it."""


def load_demo(*, now: datetime) -> list[str]:
    """Store the demo campaigns whose name and code are free, and return the names of those stored."""
    with unit_of_work("promotion"):
        names = set(Campaign.objects.filter(name__in=[demo.name for demo in DEMOS]).values_list("name", flat=True))
        codes = set(Coupon.objects.filter(code__in=[demo.code for demo in DEMOS]).values_list("code", flat=True))
        missing = [demo for demo in DEMOS if demo.name not in names and demo.code not in codes]
        for demo in missing:
            _store(demo, now)
    return [demo.name for demo in missing]


def _store(demo: Demo, now: datetime) -> None:
    campaign = Campaign.objects.create(name=demo.name, starts_at=now, **demo.campaign)
    discount = Discount(campaign=campaign, requires_coupon=bool(demo.code), **demo.discount)
    discount.guard()
    discount.save(force_insert=True)
    if demo.code:
        Coupon.objects.create(code=demo.code, discount=discount, **demo.coupon)
