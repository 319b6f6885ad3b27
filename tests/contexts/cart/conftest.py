"""Neighbours of cart that answer from memory, a client, and a count of statements."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from rest_framework.test import APIClient

from contexts.catalog.interface import CatalogInterface, StockLine, Variant
from contexts.promotion.interface import AppliedDiscount, Basket, PromotionInterface, Quote
from ecommerce.errors import Unavailable
from ecommerce.http.authentication import Principal
from ecommerce.ids import new_id
from ecommerce.money import Money
from ecommerce.testing import provide
from tests.contexts.cart.factories import VariantFactory

COUPON = "BEMVINDO"


class FakeCatalog(CatalogInterface):
    """Sells what it is told to; ``calls`` counts the questions, ``is_down`` refuses them."""

    def __init__(self) -> None:
        self.variants: dict[UUID, Variant] = {}
        self.calls = 0
        self.is_down = False

    def sell(self, **attributes: Any) -> Variant:
        variant = VariantFactory.create(**attributes)
        self.variants[variant.id] = variant
        return variant

    def get_variants(self, *, ids: Sequence[UUID]) -> list[Variant]:
        self.calls += 1
        if self.is_down:
            raise Unavailable("catalog is down")
        return [self.variants[id] for id in ids if id in self.variants]

    def reserve_stock(self, *, reservation_id: UUID, lines: Sequence[StockLine], expires_at: datetime) -> None:
        raise AssertionError("a cart reserves nothing")

    def renew_stock(self, *, reservation_id: UUID, lines: Sequence[StockLine], expires_at: datetime) -> None:
        raise AssertionError("a cart keeps nothing")

    def release_stock(self, *, reservation_id: UUID) -> None:
        raise AssertionError("a cart releases nothing")


class FakePromotion(PromotionInterface):
    """Takes ten per cent off each line for one coupon and refuses the others as ``refusal``."""

    def __init__(self) -> None:
        self.calls = 0
        self.is_down = False
        self.refusal = "unknown"
        self.seen: list[Basket] = []

    def quote(self, *, basket: Basket) -> Quote:
        self.calls += 1
        self.seen.append(basket)
        if self.is_down:
            raise Unavailable("promotion is down")
        zero = Money(Decimal(0))
        if basket.coupon_code != COUPON:
            return Quote(
                applied=[],
                line_discounts={line.line_id: zero for line in basket.lines},
                shipping_discount=zero,
                total_discount=zero,
                coupon_refusal=self.refusal if basket.coupon_code else "",
            )
        off = {line.line_id: (line.unit_price * line.quantity).percentage(Decimal(10)) for line in basket.lines}
        amount = sum(off.values(), start=zero)
        applied = AppliedDiscount(
            discount_id=new_id(), label="10% de boas-vindas", amount=amount, shipping_amount=zero, coupon_code=COUPON
        )
        return Quote(applied=[applied], line_discounts=off, shipping_discount=zero, total_discount=amount)

    def redeem(self, *, redemption_id: UUID, basket: Basket, expected_discount: Money) -> None:
        raise AssertionError("a cart redeems nothing")

    def release(self, *, redemption_id: UUID) -> None:
        raise AssertionError("a cart releases nothing")


@pytest.fixture(autouse=True)
def catalog() -> Iterator[FakeCatalog]:
    fake = FakeCatalog()
    with provide(CatalogInterface, fake):
        yield fake


@pytest.fixture(autouse=True)
def promotion() -> Iterator[FakePromotion]:
    fake = FakePromotion()
    with provide(PromotionInterface, fake):
        yield fake


@pytest.fixture
def guest() -> APIClient:
    return APIClient()


@pytest.fixture
def customer_id() -> UUID:
    return new_id()


@pytest.fixture
def customer(customer_id: UUID) -> APIClient:
    return client_of(customer_id)


def client_of(customer_id: UUID) -> APIClient:
    client = APIClient()
    client.force_authenticate(user=Principal(id=customer_id, email="ana@example.com", email_verified=True))
    return client
