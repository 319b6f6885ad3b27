"""What orders answer to other contexts."""

from collections.abc import Sequence
from uuid import UUID

from contexts.order.interface import Order, OrderInterface, OrderLine, PaymentInstruction
from contexts.order.models import Order as OrderModel
from ecommerce.calls import provides
from ecommerce.money import Money

MAXIMUM = 50


@provides(OrderInterface)
class OrderProvider(OrderInterface):
    def get_orders(self, *, ids: Sequence[UUID]) -> list[Order]:
        if len(ids) > MAXIMUM:
            raise ValueError(f"at most {MAXIMUM} orders at a time")
        related = ("lines", "payments", "shipments")
        rows = OrderModel.objects.using("order").filter(id__in=ids).prefetch_related(*related)
        return [_contract(row) for row in rows]


def _contract(order: OrderModel) -> Order:
    def money(amount: object) -> Money:
        return Money(amount, order.currency)  # type: ignore[arg-type]

    lines = sorted(order.lines.all(), key=lambda line: line.position)
    payments = sorted(order.payments.all(), key=lambda payment: payment.position)
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
            OrderLine(
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
        tracking_codes=[shipment.tracking_code for shipment in order.shipments.all()],
    )
