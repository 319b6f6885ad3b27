"""What cart tests are made of: variants of a made-up catalog, and carts brought about by the use cases."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import factory

from contexts.cart.domain.access import Caller
from contexts.cart.domain.state import Line
from contexts.cart.models import Cart
from contexts.cart.usecases import lifecycle
from contexts.catalog.interface import Variant
from ecommerce.ids import new_id
from ecommerce.money import Money

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


def brl(amount: str) -> Money:
    return Money(Decimal(amount))


class VariantFactory(factory.Factory[Variant]):
    class Meta:
        model = Variant

    id = factory.LazyFunction(new_id)
    product_id = factory.LazyFunction(new_id)
    sku = factory.Sequence(lambda number: f"SKU-{number}")
    product_name = factory.Sequence(lambda number: f"Camiseta {number}")
    product_slug = factory.LazyAttribute(lambda variant: variant.product_name.lower().replace(" ", "-"))
    options = factory.LazyFunction(lambda: {"Cor": "Azul"})
    price = factory.LazyFunction(lambda: brl("10.00"))
    weight_grams = 200
    category_ids = factory.LazyFunction(lambda: [new_id()])
    available = 50
    on_sale = True


class LineFactory(factory.Factory[Line]):
    class Meta:
        model = Line

    variant_id = factory.LazyFunction(new_id)
    product_id = factory.LazyFunction(new_id)
    quantity = 1
    unit_price = factory.LazyFunction(lambda: brl("10.00"))
    sku = factory.Sequence(lambda number: f"SKU-{number}")
    name = factory.Sequence(lambda number: f"Camiseta {number}")


def cart_with(
    *variants: Variant, customer_id: UUID | None = None, now: datetime = NOON, **contact: Any
) -> tuple[Cart, Caller]:
    """Open a cart with one piece of each variant, and return it with whoever may use it."""
    caller = Caller(customer_id=customer_id)
    cart, token = lifecycle.create_cart(caller=caller, quantities={variant.id: 1 for variant in variants}, now=now)
    caller = Caller(customer_id=customer_id, token=token)
    if contact:
        cart = lifecycle.leave_contact(
            cart_id=cart.id,
            caller=caller,
            email=contact.get("email", ""),
            marketing_consent=contact.get("marketing_consent", True),
            now=now,
        )
    return cart, caller
