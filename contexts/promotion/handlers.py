"""Reactions to what becomes of an order; a redemption carries the order's id."""

from contexts.order.events import OrderCancelled, OrderConfirmed
from contexts.promotion.usecases.settle import confirm, release
from ecommerce.clock import now
from ecommerce.inbox import subscribe
from ecommerce.messaging.envelope import Envelope


@subscribe(OrderConfirmed)
def confirm_redemption(event: OrderConfirmed, envelope: Envelope) -> None:
    confirm(redemption_id=event.order_id, customer_id=event.customer_id, now=now())


@subscribe(OrderCancelled)
def release_redemption(event: OrderCancelled, envelope: Envelope) -> None:
    release(redemption_id=event.order_id, now=now())
