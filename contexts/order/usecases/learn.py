"""What orders learn from events: who a guest was, and what was sold."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db import connections

from contexts.order.models import Order
from ecommerce.unit_of_work import unit_of_work

BOOK_SALE = """
    INSERT INTO sales_daily (day, orders, pieces, revenue, cancelled_orders) VALUES (%s, %s, %s, %s, %s)
    ON CONFLICT (day) DO UPDATE SET
        orders = sales_daily.orders + EXCLUDED.orders, pieces = sales_daily.pieces + EXCLUDED.pieces,
        revenue = sales_daily.revenue + EXCLUDED.revenue,
        cancelled_orders = sales_daily.cancelled_orders + EXCLUDED.cancelled_orders
"""


def claim_guest_orders(*, customer_id: UUID, email: str) -> int:
    """Give the orders that a guest made with a now verified ``email`` to its owner; return how many."""
    with unit_of_work("order"):
        guest_orders = Order.objects.using("order").filter(email=email.lower(), customer_id__isnull=True)
        return guest_orders.update(customer_id=customer_id)


def book_sale(*, confirmed_at: datetime, pieces: int, revenue: Decimal) -> None:
    """Add a confirmed order to its day's sales. The inbox makes it count once."""
    _book(confirmed_at, orders=1, pieces=pieces, revenue=revenue, cancelled=0)


def book_cancellation(*, cancelled_at: datetime) -> None:
    """Count a confirmed order that was cancelled, on the day it was."""
    _book(cancelled_at, orders=0, pieces=0, revenue=Decimal(0), cancelled=1)


def _book(at: datetime, *, orders: int, pieces: int, revenue: Decimal, cancelled: int) -> None:
    with unit_of_work("order"), connections["order"].cursor() as cursor:
        cursor.execute(BOOK_SALE, [at.date(), orders, pieces, revenue, cancelled])
