"""What neighbours say, and rows of notification."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import factory

from contexts.cart.interface import CartContact
from contexts.identity.interface import Customer
from contexts.notification.domain import KINDS, email_key
from contexts.notification.models import Message, Status
from contexts.order.interface import Order, OrderLine, PaymentInstruction
from ecommerce.ids import new_id
from ecommerce.money import Money

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)


class CustomerFactory(factory.Factory[Customer]):
    class Meta:
        model = Customer

    id = factory.LazyFunction(new_id)
    email = factory.Sequence(lambda number: f"cliente{number}@example.com")
    name = "Conceição Araújo"
    locale = "pt-br"
    email_verified = True
    phone = ""


class OrderLineFactory(factory.Factory[OrderLine]):
    class Meta:
        model = OrderLine

    sku = factory.Sequence(lambda number: f"SKU-{number}")
    name = "Camiseta <azul>"
    quantity = 2
    unit_price = Money(Decimal("49.90"))
    total = Money(Decimal("99.80"))


class OrderFactory(factory.Factory[Order]):
    class Meta:
        model = Order

    id = factory.LazyFunction(new_id)
    number = factory.Sequence(lambda number: f"2026-{number:06}")
    status = "confirmed"
    customer_id: Any = None
    email = factory.Sequence(lambda number: f"comprador{number}@example.com")
    recipient = "João Araújo"
    locale = "pt-br"
    placed_at = NOW
    lines = factory.List([factory.SubFactory(OrderLineFactory)])
    shipping = Money(Decimal("24.90"))
    discount = Money(Decimal(0))
    total = Money(Decimal("1124.70"))
    payments: Any = factory.LazyFunction(list)
    tracking_codes: Any = factory.LazyFunction(list)


class ContactFactory(factory.Factory[CartContact]):
    class Meta:
        model = CartContact

    cart_id = factory.LazyFunction(new_id)
    customer_id: Any = None
    email = factory.Sequence(lambda number: f"visitante{number}@example.com")
    consent = True
    status = "open"


class MessageFactory(factory.django.DjangoModelFactory[Message]):
    """A due e-mail about a confirmed order."""

    class Meta:
        model = Message

    event_id = factory.LazyFunction(new_id)
    event_type = "order.confirmed.v1"
    about = factory.LazyFunction(lambda: str(new_id()))
    kind = "order_confirmed"
    category = factory.LazyAttribute(lambda message: KINDS[message.kind].category)
    channel = "email"
    locale = "pt-br"
    recipient = factory.Sequence(lambda number: f"comprador{number}@example.com")
    recipient_key = factory.LazyAttribute(lambda message: email_key(message.recipient))
    context = factory.LazyFunction(lambda: {"name": "João", "order": order_data()})
    status = Status.QUEUED
    next_attempt_at = factory.LazyAttribute(
        lambda message: NOW - timedelta(minutes=1) if message.status in (Status.QUEUED, Status.SENDING) else None
    )
    sent_at = factory.LazyAttribute(lambda message: NOW if message.status == Status.SENT else None)
    created_at = NOW - timedelta(minutes=1)


def order_data() -> dict[str, Any]:
    return {
        "number": "2026-000123",
        "recipient": "João Araújo",
        "lines": [
            {"sku": "CAM-1", "name": "Camiseta <azul>", "quantity": 2, "total": {"amount": "99.80", "currency": "BRL"}}
        ],
        "shipping": {"amount": "0.00", "currency": "BRL"},
        "discount": {"amount": "0.00", "currency": "BRL"},
        "total": {"amount": "99.80", "currency": "BRL"},
        "payments": [],
    }


def pix(code: str) -> PaymentInstruction:
    return PaymentInstruction(
        method="pix", amount=Money(Decimal("1124.70")), status="pending", client_data={"br_code": code}
    )
