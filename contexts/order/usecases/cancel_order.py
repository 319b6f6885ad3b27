"""Cancelling an order: the order first, then its money (saga CANCEL_ORDER); stock and coupon follow the event."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from contexts.order.events import OrderCancelled
from contexts.order.interface import OrderNotFound
from contexts.order.models import balances_of, locked_order
from ecommerce.saga import engine
from ecommerce.unit_of_work import unit_of_work


def cancel_order(*, order_id: UUID, reason: str, actor: str, now: datetime) -> None:
    """Cancel an order that was not shipped, and refund it.

    A cancellation and a payment that arrives at the same moment have one winner: whoever locks the order first. If the
    refund cannot be made now, a worker tries on.

    Raises:
        OrderNotFound
        IllegalTransition: it was shipped, cancelled or failed before.
    """
    with unit_of_work("order") as work:
        order = locked_order(order_id)
        if order is None:
            raise OrderNotFound("Pedido não encontrado.")
        was_confirmed = order.is_paid
        order.cancel(reason=reason, actor=actor, now=now)
        order.save_change()
        event = OrderCancelled(
            order_id=order.id,
            number=order.number,
            reason=order.cancel_reason,
            was_confirmed=was_confirmed,
            had_money=any(balance.captured for balance in balances_of(order_id).values()),
        )
        work.publish(event, subject=order.id, version=order.version)
        engine.signal(work, "CREATE_ORDER", subject=order.id)
        run = engine.start(work, "CANCEL_ORDER", subject=order.id, data={"reason": order.cancel_reason}, now=now)
    engine.run(run)
