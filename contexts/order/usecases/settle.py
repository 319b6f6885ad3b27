"""What happens to an order as its saga goes: it waits for money, is confirmed, or never comes to stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from contexts.order.domain import PAYABLE, Status
from contexts.order.events import OrderCancelled, OrderConfirmed, OrderedLine, OrderPlaced
from contexts.order.models import Order, balances_of, locked_order, payments_of
from contexts.order.usecases.pay import UNPAID, not_payable
from contexts.order.usecases.record import return_everything, square_up
from ecommerce.saga import engine
from ecommerce.unit_of_work import UnitOfWork, unit_of_work

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

    If it had waited for its money, payments that are still open are closed, and what was paid twice goes back.

    Raises:
        OrderNotPayable: the order was cancelled in between; its money goes back.
    """
    with unit_of_work("order") as work:
        order = _locked(order_id)
        if order.is_paid:
            return
        if order.status not in (Status.PENDING, Status.AWAITING_PAYMENT):
            raise not_payable(order)
        waited = order.status == Status.AWAITING_PAYMENT
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
        if waited:
            _tidy_up(work, order, now=now)


def reject_order(*, order_id: UUID, error: Mapping[str, Any], now: datetime) -> None:
    """End an order whose saga turned back: failed, or cancelled if the buyer had been told that it stands. Idempotent.

    ``error`` is what the saga says of it: ``code``, ``kind``, ``detail`` and ``params``. Money that came or
    was authorized after the saga had given everything back is given back by a saga of its own.
    """
    with unit_of_work("order") as work:
        order = _locked(order_id)
        if order.status not in PAYABLE:
            return
        balances = balances_of(order_id).values()
        if order.status == Status.PENDING:
            order.fail(failure={fact: error[fact] for fact in FACTS}, now=now)
            order.save_change()
        else:
            order.cancel(reason=_reason(error), actor="system", now=now)
            order.save_change()
            event = OrderCancelled(
                order_id=order.id,
                number=order.number,
                reason=order.cancel_reason,
                was_confirmed=False,
                had_money=any(balance.captured for balance in balances),
            )
            work.publish(event, subject=order.id, version=order.version)
        if any(balance.has_money for balance in balances):
            return_everything(work=work, order_id=order.id, reason=f"order {order.status}", now=now)


def _tidy_up(work: UnitOfWork, order: Order, *, now: datetime) -> None:
    if any(attempt.status in UNPAID for attempt in payments_of(order.id)):
        engine.start(work, "CLOSE_PAYMENTS", subject=order.id, data={}, now=now, held=False)
    square_up(work=work, order_id=order.id, now=now)


def _locked(order_id: UUID) -> Order:
    order = locked_order(order_id)
    if order is None:
        raise LookupError(f"order {order_id} has gone")
    return order


def _reason(error: Mapping[str, Any]) -> str:
    """Return what a buyer may be told; the name of an unexpected exception is none of it."""
    return "Não foi possível concluir o pedido." if error["code"] == "internal_error" else error["detail"]
