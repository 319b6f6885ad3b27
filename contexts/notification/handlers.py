"""What notification does when something happened elsewhere: it records messages. Nothing is sent here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.conf import settings

from contexts.cart.events import CartAbandoned
from contexts.cart.interface import CartInterface
from contexts.catalog.events import VariantBackInStock
from contexts.identity.events import UserRegistered
from contexts.identity.interface import Customer, IdentityInterface
from contexts.notification.domain import Recipient, known_locale
from contexts.notification.usecases import Cause, queue_message
from contexts.order.events import OrderCancelled, OrderConfirmed, OrderDelivered, OrderPlaced, OrderShipped
from contexts.order.interface import Order, OrderInterface, OrderNotFound
from ecommerce import codec
from ecommerce.calls import connect
from ecommerce.clock import now
from ecommerce.inbox import subscribe
from ecommerce.messaging.envelope import Envelope

carts = connect(CartInterface)
identity = connect(IdentityInterface)
orders = connect(OrderInterface)

CUSTOMERS_PER_CALL = 200


@subscribe(UserRegistered, alone=True)
def welcome_customer(event: UserRegistered, envelope: Envelope) -> None:
    """Welcome a new customer; an account that is gone by now is recorded without an address. Accounts that were brought
    into the database from elsewhere are not new customers: nothing is sent to them."""
    if envelope.actor.startswith("database:"):
        return
    known = _customers([event.user_id])
    recipient = _recipient(known.get(event.user_id), event.user_id)
    queue_message(kind="welcome", recipients=[recipient], cause=_cause(envelope), context={}, now=now())


@subscribe(OrderPlaced, alone=True)
def tell_order_placed(event: OrderPlaced, envelope: Envelope) -> None:
    """Say that the order is here and how it can be paid."""
    _tell_about_order("order_placed", event.order_id, envelope)


@subscribe(OrderConfirmed, alone=True)
def tell_order_confirmed(event: OrderConfirmed, envelope: Envelope) -> None:
    """Confirm the payment: the last step of a purchase."""
    _tell_about_order("order_confirmed", event.order_id, envelope)


@subscribe(OrderCancelled, alone=True)
def tell_order_cancelled(event: OrderCancelled, envelope: Envelope) -> None:
    """Say that the order is off, and whether money comes back."""
    _tell_about_order("order_cancelled", event.order_id, envelope, was_confirmed=event.was_confirmed)


@subscribe(OrderShipped, alone=True)
def tell_order_shipped(event: OrderShipped, envelope: Envelope) -> None:
    """Say that a parcel is on its way; also by SMS to customers who asked for it."""
    _tell_about_order(
        "order_shipped",
        event.order_id,
        envelope,
        with_phone=True,
        carrier=event.carrier,
        tracking_code=event.tracking_code,
    )


@subscribe(OrderDelivered, alone=True)
def tell_order_delivered(event: OrderDelivered, envelope: Envelope) -> None:
    """Say thank you and invite to a review."""
    _tell_about_order("order_delivered", event.order_id, envelope)


@subscribe(CartAbandoned, alone=True)
def remind_of_cart(event: CartAbandoned, envelope: Envelope) -> None:
    """Remind of a cart that is still open, if its owner agreed to be reminded."""
    contact = carts.get_contact(cart_id=event.cart_id)
    if contact.customer_id:
        customer = _customers([contact.customer_id]).get(contact.customer_id)
        recipient = _recipient(customer, contact.customer_id, consent=contact.consent)
    else:
        recipient = Recipient(email=contact.email, consent=contact.consent)
    context = {
        "pieces": event.pieces,
        "subtotal": codec.to_builtins(event.subtotal),
        "recovery_url": f"{settings.PUBLIC_URL}{event.recovery_path}",
    }
    cause = _cause(envelope, outdated=contact.status != "open")
    queue_message(kind="cart_abandoned", recipients=[recipient], cause=cause, context=context, now=now())


@subscribe(VariantBackInStock, alone=True)
def tell_back_in_stock(event: VariantBackInStock, envelope: Envelope) -> None:
    """Tell everybody who asked that a variant is here again."""
    known = _customers(event.customer_ids)
    recipients = [_recipient(known.get(customer_id), customer_id) for customer_id in event.customer_ids]
    context = {"sku": event.sku, "product_name": event.product_name, "product_slug": event.product_slug}
    queue_message(kind="back_in_stock", recipients=recipients, cause=_cause(envelope), context=context, now=now())


def _tell_about_order(kind: str, order_id: UUID, envelope: Envelope, *, with_phone: bool = False, **facts: Any) -> None:
    order = next(iter(orders.get_orders(ids=[order_id])), None)
    if order is None:
        raise OrderNotFound(f"Order {order_id} is unknown although it published {envelope.type}.")
    phone = ""
    if with_phone and order.customer_id:
        customer = _customers([order.customer_id]).get(order.customer_id)
        phone = customer.phone if customer else ""
    recipient = Recipient(
        name=order.recipient,
        email=order.email,
        phone=phone,
        customer_id=order.customer_id,
        locale=known_locale(order.locale),
    )
    context = {"order": _order_data(order), **facts}
    queue_message(kind=kind, recipients=[recipient], cause=_cause(envelope), context=context, now=now())


def _order_data(order: Order) -> dict[str, Any]:
    """Return an order as its templates see it; whom it belongs to is not repeated there."""
    data: dict[str, Any] = codec.to_builtins(order)
    return {name: value for name, value in data.items() if name not in ("email", "customer_id")}


def _customers(ids: Sequence[UUID]) -> dict[UUID, Customer]:
    """Return the customers that still exist, by id; one call per 200."""
    return {
        customer.id: customer
        for start in range(0, len(ids), CUSTOMERS_PER_CALL)
        for customer in identity.get_customers(ids=ids[start : start + CUSTOMERS_PER_CALL])
    }


def _recipient(customer: Customer | None, customer_id: UUID, *, consent: bool = False) -> Recipient:
    if customer is None:
        return Recipient(customer_id=customer_id, consent=consent)
    return Recipient(
        name=customer.name,
        email=customer.email,
        phone=customer.phone,
        customer_id=customer.id,
        locale=known_locale(customer.locale),
        consent=consent,
    )


def _cause(envelope: Envelope, *, outdated: bool = False) -> Cause:
    return Cause(
        event_id=envelope.id,
        event_type=envelope.type,
        about=envelope.subject,
        replay=bool(envelope.replay),
        outdated=outdated,
    )
