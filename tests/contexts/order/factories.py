"""Orders in any state, without having been bought."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import factory
from factory.django import DjangoModelFactory

from contexts.order.models import Order, OrderLine, PaymentAttempt, ShippingMethod, ShippingRate, StaffCase
from ecommerce.ids import new_id

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


class OrderFactory(DjangoModelFactory[Order]):
    """A confirmed order of a guest: 50.00, and 10.00 for shipping."""

    class Meta:
        model = Order
        skip_postgeneration_save = True

    number = factory.Sequence(lambda number: f"N{number:08}")
    status = "confirmed"
    cart_id = factory.LazyFunction(new_id)
    cart_version = 1
    email = "ana@example.com"
    items_total = Decimal("50.00")
    shipping_total = Decimal("10.00")
    discount_total = Decimal("0.00")
    total = Decimal("60.00")
    address_snapshot = factory.LazyFunction(lambda: {"recipient": "Ana", "payer": {"name": "", "tax_id": ""}})
    shipping_snapshot = factory.LazyFunction(lambda: {"code": "economico"})
    placed_at = factory.Sequence(lambda number: NOON + timedelta(seconds=number))

    @factory.post_generation
    def quantities(order: Order, create: bool, quantities: list[int] | None, **_: Any) -> None:  # type: ignore[misc]
        for position, quantity in enumerate(quantities or []):
            OrderLineFactory.create(order=order, position=position, quantity=quantity)


class OrderLineFactory(DjangoModelFactory[OrderLine]):
    class Meta:
        model = OrderLine

    order = factory.SubFactory(OrderFactory)
    position = 0
    variant_id = factory.LazyFunction(new_id)
    product_id = factory.LazyFunction(new_id)
    sku = factory.Sequence(lambda number: f"SKU-{number}")
    name = "Camiseta"
    quantity = 1
    unit_price = Decimal("50.00")
    discount = Decimal("0.00")
    total = factory.LazyAttribute(lambda line: line.unit_price * line.quantity - line.discount)


class PaymentAttemptFactory(DjangoModelFactory[PaymentAttempt]):
    class Meta:
        model = PaymentAttempt

    order = factory.SubFactory(OrderFactory)
    position = 0
    gateway = "sandbox"
    method = "card"
    amount = Decimal("60.00")
    status = "created"
    expires_at = NOON + timedelta(minutes=15)
    created_at = NOON
    updated_at = NOON


class ShippingMethodFactory(DjangoModelFactory[ShippingMethod]):
    class Meta:
        model = ShippingMethod

    code = factory.Sequence(lambda number: f"forma-{number}")
    name = "Econômico"
    carrier = "PAC"


class ShippingRateFactory(DjangoModelFactory[ShippingRate]):
    class Meta:
        model = ShippingRate

    method = factory.SubFactory(ShippingMethodFactory)
    state = ""
    max_weight_grams = 1000
    price = Decimal("10.00")


class StaffCaseFactory(DjangoModelFactory[StaffCase]):
    class Meta:
        model = StaffCase

    kind = "amount_differs"
    gateway = "sandbox"
    reference = factory.Sequence(lambda number: f"ch_case_{number}")
    facts = factory.LazyFunction(dict)
    status = "open"
    first_seen_at = NOON
    seen_at = NOON
    opened_at = NOON
