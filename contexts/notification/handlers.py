"""What notification does when something happened elsewhere: it records messages. Nothing is sent here.

Most messages need more than their event says; it is fetched for a batch of events at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol
from uuid import UUID

from django.conf import settings

from contexts.cart.events import CartAbandoned
from contexts.cart.interface import CartContact, CartInterface, CartNotFound
from contexts.catalog.events import VariantBackInStock
from contexts.identity.events import UserRegistered
from contexts.identity.interface import Customer, IdentityInterface
from contexts.notification.domain import Recipient, known_locale
from contexts.notification.usecases import Cause, queue_message
from contexts.order.events import (
    OrderCancelled,
    OrderConfirmed,
    OrderDelivered,
    OrderPlaced,
    OrderRefunded,
    OrderShipped,
    ReturnApproved,
    ReturnRefused,
    ReturnRequested,
)
from contexts.order.interface import Order, OrderInterface, OrderNotFound
from ecommerce import codec
from ecommerce.calls import connect
from ecommerce.clock import now
from ecommerce.inbox import subscribe
from ecommerce.messaging.envelope import Envelope

carts = connect(CartInterface)
identity = connect(IdentityInterface)
order_book = connect(OrderInterface)

CARTS_PER_CALL = 200
CUSTOMERS_PER_CALL = 200
ORDERS_PER_CALL = 50

Customers = dict[UUID, Customer]
Orders = dict[UUID, Order]
Contacts = dict[UUID, CartContact]


class AboutOrder(Protocol):
    @property
    def order_id(self) -> UUID: ...


def customers_of(events: Sequence[UserRegistered]) -> Customers:
    return _customers(event.user_id for event in events)


def orders_of(events: Sequence[AboutOrder]) -> Orders:
    ids = list({event.order_id for event in events})
    return {
        order.id: order
        for start in range(0, len(ids), ORDERS_PER_CALL)
        for order in order_book.get_orders(ids=ids[start : start + ORDERS_PER_CALL])
    }


def orders_and_customers_of(events: Sequence[AboutOrder]) -> tuple[Orders, Customers]:
    found = orders_of(events)
    return found, _customers(order.customer_id for order in found.values() if order.customer_id)


def contacts_of(events: Sequence[CartAbandoned]) -> tuple[Contacts, Customers]:
    ids = list({event.cart_id for event in events})
    contacts = {
        contact.cart_id: contact
        for start in range(0, len(ids), CARTS_PER_CALL)
        for contact in carts.get_contacts(cart_ids=ids[start : start + CARTS_PER_CALL])
    }
    return contacts, _customers(contact.customer_id for contact in contacts.values() if contact.customer_id)


def waiting_customers_of(events: Sequence[VariantBackInStock]) -> Customers:
    return _customers(customer_id for event in events for customer_id in event.customer_ids)


@subscribe(UserRegistered, reading=customers_of)
def welcome_customer(event: UserRegistered, envelope: Envelope, customers: Customers) -> None:
    """Welcome a new customer; an account that is gone by now is recorded without an address. Accounts that were brought
    into the database from elsewhere are not new customers: nothing is sent to them."""
    if envelope.actor.startswith("database:"):
        return
    recipient = _recipient(customers.get(event.user_id), event.user_id)
    queue_message(kind="welcome", recipients=[recipient], cause=_cause(envelope), context={}, now=now())


@subscribe(OrderPlaced, reading=orders_of)
def tell_order_placed(event: OrderPlaced, envelope: Envelope, orders: Orders) -> None:
    """Say that the order is here and how it can be paid."""
    _tell_about_order("order_placed", _order(event, orders), envelope)


@subscribe(OrderConfirmed, reading=orders_of)
def tell_order_confirmed(event: OrderConfirmed, envelope: Envelope, orders: Orders) -> None:
    """Confirm the payment: the last step of a purchase."""
    _tell_about_order("order_confirmed", _order(event, orders), envelope)


@subscribe(OrderCancelled, reading=orders_of)
def tell_order_cancelled(event: OrderCancelled, envelope: Envelope, orders: Orders) -> None:
    """Say that the order is off, and whether money comes back."""
    paid = event.was_confirmed or event.had_money
    _tell_about_order("order_cancelled", _order(event, orders), envelope, was_confirmed=paid)


@subscribe(OrderRefunded, reading=orders_of)
def tell_order_refunded(event: OrderRefunded, envelope: Envelope, orders: Orders) -> None:
    """Say how much comes back, and why."""
    amount = codec.to_builtins(event.amount)
    _tell_about_order("order_refunded", _order(event, orders), envelope, refunded=amount, reason=event.reason)


@subscribe(ReturnRequested, reading=orders_of)
def tell_return_requested(event: ReturnRequested, envelope: Envelope, orders: Orders) -> None:
    """Confirm that the wish arrived, as the law wants it of a withdrawal (Decreto 7.962/2013, art. 5)."""
    _tell_about_order("return_requested", _order(event, orders), envelope, approved=event.approved)


@subscribe(ReturnApproved, reading=orders_of)
def tell_return_approved(event: ReturnApproved, envelope: Envelope, orders: Orders) -> None:
    """Say how to send the pieces."""
    _tell_about_order("return_approved", _order(event, orders), envelope, answer=event.answer)


@subscribe(ReturnRefused, reading=orders_of)
def tell_return_refused(event: ReturnRefused, envelope: Envelope, orders: Orders) -> None:
    """Say why nothing is taken back."""
    _tell_about_order("return_refused", _order(event, orders), envelope, answer=event.answer)


@subscribe(OrderShipped, reading=orders_and_customers_of)
def tell_order_shipped(event: OrderShipped, envelope: Envelope, read: tuple[Orders, Customers]) -> None:
    """Say that a parcel is on its way; also by SMS to customers who asked for it."""
    known, customers = read
    order = _order(event, known)
    customer = customers.get(order.customer_id) if order.customer_id else None
    _tell_about_order(
        "order_shipped",
        order,
        envelope,
        phone=customer.phone if customer else "",
        carrier=event.carrier,
        tracking_code=event.tracking_code,
    )


@subscribe(OrderDelivered, reading=orders_of)
def tell_order_delivered(event: OrderDelivered, envelope: Envelope, orders: Orders) -> None:
    """Say thank you and invite to a review."""
    _tell_about_order("order_delivered", _order(event, orders), envelope)


@subscribe(CartAbandoned, reading=contacts_of)
def remind_of_cart(event: CartAbandoned, envelope: Envelope, read: tuple[Contacts, Customers]) -> None:
    """Remind of a cart that is still open, if its owner agreed to be reminded."""
    contacts, customers = read
    if event.cart_id not in contacts:
        raise CartNotFound(f"Cart {event.cart_id} is unknown although an event speaks of it.")
    contact = contacts[event.cart_id]
    if contact.customer_id:
        recipient = _recipient(customers.get(contact.customer_id), contact.customer_id, consent=contact.consent)
    else:
        recipient = Recipient(email=contact.email, consent=contact.consent)
    context = {
        "pieces": event.pieces,
        "subtotal": codec.to_builtins(event.subtotal),
        "recovery_url": f"{settings.PUBLIC_URL}{event.recovery_path}",
    }
    cause = _cause(envelope, outdated=contact.status != "open")
    queue_message(kind="cart_abandoned", recipients=[recipient], cause=cause, context=context, now=now())


@subscribe(VariantBackInStock, reading=waiting_customers_of)
def tell_back_in_stock(event: VariantBackInStock, envelope: Envelope, customers: Customers) -> None:
    """Tell everybody who asked that a variant is here again."""
    recipients = [_recipient(customers.get(customer_id), customer_id) for customer_id in event.customer_ids]
    context = {"sku": event.sku, "product_name": event.product_name, "product_slug": event.product_slug}
    queue_message(kind="back_in_stock", recipients=recipients, cause=_cause(envelope), context=context, now=now())


def _order(event: AboutOrder, known: Orders) -> Order:
    if event.order_id not in known:
        raise OrderNotFound(f"Order {event.order_id} is unknown although an event speaks of it.")
    return known[event.order_id]


def _tell_about_order(kind: str, order: Order, envelope: Envelope, *, phone: str = "", **facts: Any) -> None:
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


def _customers(ids: Iterable[UUID]) -> Customers:
    """Return the customers that still exist, by id; one call per 200."""
    ids = list(dict.fromkeys(ids))
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
