"""What happens to an order as its saga goes: it waits for money, is confirmed, or never comes to stand."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from contexts.order.domain import Status
from contexts.order.events import OrderCancelled, OrderConfirmed, OrderedLine, OrderPlaced
from contexts.order.models import Order, OrderLine, locked_order
from contexts.order.usecases.pay import OrderNotPayable
from ecommerce.money import Money
from ecommerce.unit_of_work import unit_of_work


def await_payment(*, order_id: UUID, now: datetime) -> None:
    """Note that the money comes later, and tell the buyer how to pay. Idempotent.

    Raises:
        OrderNotPayable: the order was cancelled in between.
    """
    with unit_of_work("order") as work:
        order = _locked(order_id)
        if order.status == Status.PENDING:
            order.await_payment(now=now)
            order.save_change()
            event = OrderPlaced(order_id=order.id, number=order.number)
            work.publish(event, subject=order.id, version=order.version)
        elif order.status != Status.AWAITING_PAYMENT:
            raise OrderNotPayable(f"the order is {order.status}", status=order.status)


def confirm_order(*, order_id: UUID, now: datetime) -> None:
    """Confirm a paid order and tell everybody. Idempotent.

    Raises:
        OrderNotPayable: the order was cancelled in between; its money goes back.
    """
    with unit_of_work("order") as work:
        order = _locked(order_id)
        if order.is_paid:
            return
        if order.status not in (Status.PENDING, Status.AWAITING_PAYMENT):
            raise OrderNotPayable(f"the order is {order.status}", status=order.status)
        order.confirm(now=now)
        order.save_change()
        work.publish(_confirmed(order), subject=order.id, version=order.version)


def reject_order(*, order_id: UUID, error: dict[str, Any], now: datetime) -> None:
    """End an order whose saga turned back: failed, or cancelled if the buyer had been told that it stands. Idempotent."""
    with unit_of_work("order") as work:
        order = _locked(order_id)
        if order.status == Status.PENDING:
            order.fail(failure=error, now=now)
            order.save_change()
        elif order.status == Status.AWAITING_PAYMENT:
            order.cancel(reason=error.get("code", ""), actor="system", now=now)
            order.save_change()
            event = OrderCancelled(
                order_id=order.id, number=order.number, reason=order.cancel_reason, was_confirmed=False
            )
            work.publish(event, subject=order.id, version=order.version)


def _locked(order_id: UUID) -> Order:
    order = locked_order(order_id)
    if order is None:
        raise LookupError(f"order {order_id} has gone")
    return order


def _confirmed(order: Order) -> OrderConfirmed:
    lines = OrderLine.objects.using("order").filter(order_id=order.id).order_by("position")
    return OrderConfirmed(
        order_id=order.id,
        number=order.number,
        customer_id=order.customer_id,
        cart_id=order.cart_id,
        lines=[
            OrderedLine(
                variant_id=line.variant_id,
                product_id=line.product_id,
                quantity=line.quantity,
                unit_price=Money(line.unit_price, order.currency),
            )
            for line in lines
        ],
        total=order.due,
        coupon_code=(order.coupon_snapshot or {}).get("code", ""),
        confirmed_at=order.confirmed_at or order.placed_at,
    )
