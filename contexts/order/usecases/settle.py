"""What happens to an order as its saga goes: it waits for money, is confirmed, or never comes to stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from contexts.order.domain import Status
from contexts.order.events import OrderCancelled, OrderConfirmed, OrderedLine, OrderPlaced
from contexts.order.models import Order, locked_order
from contexts.order.usecases.pay import not_payable
from ecommerce.unit_of_work import unit_of_work

FACTS = ("code", "kind", "detail", "params")


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
            raise not_payable(order)


def confirm_order(*, order_id: UUID, lines: Sequence[OrderedLine], now: datetime) -> None:
    """Confirm a paid order and tell everybody, with its ``lines``. Idempotent.

    Raises:
        OrderNotPayable: the order was cancelled in between; its money goes back.
    """
    with unit_of_work("order") as work:
        order = _locked(order_id)
        if order.is_paid:
            return
        if order.status not in (Status.PENDING, Status.AWAITING_PAYMENT):
            raise not_payable(order)
        order.confirm(now=now)
        order.save_change()
        event = OrderConfirmed(
            order_id=order.id,
            number=order.number,
            customer_id=order.customer_id,
            cart_id=order.cart_id,
            lines=list(lines),
            total=order.due,
            coupon_code=(order.coupon_snapshot or {}).get("code", ""),
            confirmed_at=now,
        )
        work.publish(event, subject=order.id, version=order.version)


def reject_order(*, order_id: UUID, error: Mapping[str, Any], now: datetime) -> None:
    """End an order whose saga turned back: failed, or cancelled if the buyer had been told that it stands. Idempotent.

    ``error`` is what the saga says of it: ``code``, ``kind``, ``detail`` and ``params``.
    """
    with unit_of_work("order") as work:
        order = _locked(order_id)
        if order.status == Status.PENDING:
            order.fail(failure={fact: error[fact] for fact in FACTS}, now=now)
            order.save_change()
        elif order.status == Status.AWAITING_PAYMENT:
            order.cancel(reason=_reason(error), actor="system", now=now)
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


def _reason(error: Mapping[str, Any]) -> str:
    """Return what a buyer may be told; the name of an unexpected exception is none of it."""
    return "Não foi possível concluir o pedido." if error["code"] == "internal_error" else error["detail"]
