"""What orders answer to other contexts."""

from collections import defaultdict
from collections.abc import Sequence
from typing import TypeVar
from uuid import UUID

from contexts.order.interface import Order, OrderInterface, PaymentInstruction
from contexts.order.interface import OrderLine as OrderedLine
from contexts.order.models import Order as OrderModel
from contexts.order.models import OrderLine, PaymentAttempt, Shipment
from ecommerce.calls import provides
from ecommerce.db import rows
from ecommerce.money import Money

MAXIMUM = 50
M = TypeVar("M", OrderLine, PaymentAttempt, Shipment)


@provides(OrderInterface)
class OrderProvider(OrderInterface):
    def get_orders(self, *, ids: Sequence[UUID]) -> list[Order]:
        if len(ids) > MAXIMUM:
            raise ValueError(f"at most {MAXIMUM} orders at a time")
        orders = rows.fetch(OrderModel, "WHERE id = ANY(%s)", [list(ids)], using="order")
        lines = _by_order(OrderLine, ids, "position")
        payments = _by_order(PaymentAttempt, ids, "position")
        shipments = _by_order(Shipment, ids, "id")
        return [_contract(order, lines[order.id], payments[order.id], shipments[order.id]) for order in orders]


def _by_order(model: type[M], ids: Sequence[UUID], position: str) -> dict[UUID, list[M]]:
    """Return the rows that belong to each of these orders."""
    found: dict[UUID, list[M]] = defaultdict(list)
    for row in rows.fetch(model, f"WHERE order_id = ANY(%s) ORDER BY {position}", [list(ids)], using="order"):
        found[row.order_id].append(row)
    return found


def _contract(
    order: OrderModel,
    lines: Sequence[OrderLine],
    payments: Sequence[PaymentAttempt],
    shipments: Sequence[Shipment],
) -> Order:
    def money(amount: object) -> Money:
        return Money(amount, order.currency)  # type: ignore[arg-type]

    return Order(
        id=order.id,
        number=order.number,
        status=order.status,
        customer_id=order.customer_id,
        email=order.email,
        recipient=order.address_snapshot.get("recipient", ""),
        locale=order.locale,
        placed_at=order.placed_at,
        lines=[
            OrderedLine(
                sku=line.sku,
                name=line.name,
                quantity=line.quantity,
                unit_price=money(line.unit_price),
                total=money(line.total),
            )
            for line in lines
        ],
        shipping=money(order.shipping_total),
        discount=money(order.discount_total),
        total=order.due,
        payments=[
            PaymentInstruction(
                method=payment.method, amount=payment.money, status=payment.status, client_data=payment.client_data
            )
            for payment in payments
        ],
        tracking_codes=[shipment.tracking_code for shipment in shipments],
    )
