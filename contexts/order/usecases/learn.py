"""What orders learn from events: who a guest was, and what was sold."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connections

from contexts.order.models import Order
from ecommerce.unit_of_work import unit_of_work

NOTHING = Decimal(0)
BOOK_SALE = """
    INSERT INTO sales_daily (day, orders, pieces, revenue, cancelled_orders, interest, refunded)
    VALUES (%(day)s, %(orders)s, %(pieces)s, %(revenue)s, %(cancelled)s, (
        SELECT coalesce(sum(interest), 0) FROM payment_attempts
        WHERE order_id = %(order)s AND status IN ('authorized', 'captured')
    ), %(refunded)s)
    ON CONFLICT (day) DO UPDATE SET
        orders = sales_daily.orders + EXCLUDED.orders, pieces = sales_daily.pieces + EXCLUDED.pieces,
        revenue = sales_daily.revenue + EXCLUDED.revenue,
        cancelled_orders = sales_daily.cancelled_orders + EXCLUDED.cancelled_orders,
        interest = sales_daily.interest + EXCLUDED.interest, refunded = sales_daily.refunded + EXCLUDED.refunded
"""


def claim_guest_orders(*, customer_id: UUID, email: str) -> int:
    """Give the orders that a guest made with a now verified ``email`` to its owner; return how many."""
    with unit_of_work("order"):
        guest_orders = Order.objects.using("order").filter(email=email.lower(), customer_id__isnull=True)
        return guest_orders.update(customer_id=customer_id)


def book_sale(*, order_id: UUID, confirmed_at: datetime, pieces: int, revenue: Decimal) -> None:
    """Add a confirmed order to its day's sales, with the interest paid for it. The inbox makes it count once."""
    _book(confirmed_at, orders=1, pieces=pieces, revenue=revenue, order=order_id)


def book_cancellation(*, cancelled_at: datetime) -> None:
    """Count a confirmed order that was cancelled, on the day it was."""
    _book(cancelled_at, cancelled=1)


def book_refund(*, refunded_at: datetime, amount: Decimal) -> None:
    """Count what went back of an order that stands, on the day it did."""
    _book(refunded_at, refunded=amount)


def _book(
    at: datetime,
    *,
    orders: int = 0,
    pieces: int = 0,
    revenue: Decimal = NOTHING,
    cancelled: int = 0,
    refunded: Decimal = NOTHING,
    order: UUID | None = None,
) -> None:
    facts: dict[str, Any] = {
        "day": at.date(), "orders": orders, "pieces": pieces, "revenue": revenue, "cancelled": cancelled,
        "refunded": refunded, "order": order,
    }  # fmt: skip
    with unit_of_work("order"), connections["order"].cursor() as cursor:
        cursor.execute(BOOK_SALE, facts)
