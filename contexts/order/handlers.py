"""Reactions of orders to events."""

from collections.abc import Sequence
from uuid import UUID

from contexts.identity.events import UserEmailVerified
from contexts.identity.interface import Customer, IdentityInterface
from contexts.order.events import OrderCancelled, OrderConfirmed, OrderRefunded
from contexts.order.usecases.learn import book_cancellation, book_refund, book_sale, claim_guest_orders
from ecommerce.calls import connect
from ecommerce.inbox import subscribe
from ecommerce.messaging.envelope import Envelope

identity = connect(IdentityInterface)


def customers_of(events: Sequence[UserEmailVerified]) -> dict[UUID, Customer]:
    ids = list({event.user_id for event in events})
    return {customer.id: customer for customer in identity.get_customers(ids=ids)}


@subscribe(UserEmailVerified, reading=customers_of)
def give_guest_orders_to_customer(
    event: UserEmailVerified, envelope: Envelope, customers: dict[UUID, Customer]
) -> None:
    customer = customers.get(event.user_id)
    if customer and customer.email_verified:
        claim_guest_orders(customer_id=customer.id, email=customer.email)


@subscribe(OrderConfirmed)
def book_confirmed_order(event: OrderConfirmed, envelope: Envelope) -> None:
    pieces = sum(line.quantity for line in event.lines)
    book_sale(order_id=event.order_id, confirmed_at=event.confirmed_at, pieces=pieces, revenue=event.total.amount)


@subscribe(OrderCancelled)
def book_cancelled_order(event: OrderCancelled, envelope: Envelope) -> None:
    if event.was_confirmed:
        book_cancellation(cancelled_at=envelope.time)


@subscribe(OrderRefunded)
def book_refunded_order(event: OrderRefunded, envelope: Envelope) -> None:
    of_sale = event.amount if event.of_sale is None else event.of_sale
    book_refund(refunded_at=event.refunded_at, amount=of_sale.amount)
