"""Bounded reads of orders, for views and the provider."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connections
from django.db.models import Q, QuerySet

from contexts.order.domain import Status
from contexts.order.models import DailySales, Order, PaymentAttempt, Refund, ReturnRequest
from ecommerce.money import Money

SHIPPING = """
    SELECT DISTINCT ON (m.code) m.code, m.name, m.carrier, m.delivery_days, r.price, r.currency
    FROM shipping_methods m JOIN shipping_rates r ON r.method_id = m.id
    WHERE m.active AND r.max_weight_grams >= %s AND r.state IN (%s, '')
    ORDER BY m.code, r.state DESC, r.max_weight_grams
"""


@dataclass(frozen=True, kw_only=True)
class ShippingOption:
    """One way to send a certain weight to a certain state, with its price."""

    code: str
    name: str
    carrier: str
    delivery_days: int
    price: Money


def shipping_options(*, state: str, weight_grams: int) -> list[ShippingOption]:
    """Return how ``weight_grams`` can be sent to ``state`` (UF), by code. A rate of the state itself goes first."""
    with connections["order"].cursor() as cursor:
        cursor.execute(SHIPPING, [weight_grams, state])
        return [
            ShippingOption(code=code, name=name, carrier=carrier, delivery_days=days, price=Money(price, currency))
            for code, name, carrier, days, price, currency in cursor.fetchall()
        ]


def orders_of(*, customer_id: UUID, limit: int, after: Sequence[Any] | None) -> list[dict[str, Any]]:
    """Return one customer's orders, newest first: one more than ``limit`` if there are more. One statement.

    Orders that never stood are left out.
    """
    rows = Order.objects.using("order").filter(customer_id=customer_id).exclude(status=Status.FAILED.value)
    return _page(rows, limit, after)


def orders_matching(
    *, status: str | None, email: str | None, limit: int, after: Sequence[Any] | None
) -> list[dict[str, Any]]:
    """Return the orders that staff looks for, newest first: one more than ``limit`` if there are more."""
    rows = Order.objects.using("order").all()
    if status:
        rows = rows.filter(status=status)
    if email:
        rows = rows.filter(email=email.lower())
    return _page(rows, limit, after)


def order_by_id(order_id: UUID) -> Order | None:
    """Return an order alone. One statement."""
    return Order.objects.using("order").filter(id=order_id).first()


def payment_by_id(payment_id: UUID) -> PaymentAttempt | None:
    """Return a payment with its order. One statement."""
    return PaymentAttempt.objects.using("order").select_related("order").filter(id=payment_id).first()


def refund_by_id(refund_id: UUID) -> Refund | None:
    """Return a refund alone. One statement."""
    return Refund.objects.using("order").filter(id=refund_id).first()


def refunds_of(order_id: UUID) -> list[Refund]:
    """Return the refunds of an order with their lines, oldest first, at most 200. Two statements."""
    refunds = Refund.objects.using("order").filter(order_id=order_id).prefetch_related("lines")
    return list(refunds.order_by("requested_at", "id")[:200])


def return_by_id(return_id: UUID) -> ReturnRequest | None:
    """Return a return alone. One statement."""
    return ReturnRequest.objects.using("order").filter(id=return_id).first()


def returns_of(order_id: UUID) -> list[ReturnRequest]:
    """Return the returns of an order with their lines, oldest first, at most 200. Two statements."""
    requests = ReturnRequest.objects.using("order").filter(order_id=order_id).prefetch_related("lines")
    return list(requests.order_by("requested_at", "id")[:200])


def sales_between(*, first: datetime, last: datetime) -> list[dict[str, Any]]:
    """Return the daily sales of a period of at most 400 days, oldest first."""
    rows = DailySales.objects.using("order").filter(day__gte=first.date(), day__lte=last.date())
    found = rows.order_by("day").values(
        "day", "orders", "pieces", "revenue", "cancelled_orders", "interest", "refunded"
    )[:400]
    return [dict(row) for row in found]


def _page(rows: QuerySet[Order], limit: int, after: Sequence[Any] | None) -> list[dict[str, Any]]:
    if after is not None:
        placed_at, id_ = after
        rows = rows.filter(Q(placed_at__lt=placed_at) | Q(placed_at=placed_at, id__lt=id_))
    columns = ("id", "number", "status", "total", "currency", "placed_at")
    return list(rows.order_by("-placed_at", "-id").values(*columns)[: limit + 1])
