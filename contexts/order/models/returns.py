"""Returns: pieces that the buyer wants to give back, from the wish to the money."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import connections, models
from django.db.models import F, Q

from contexts.order.domain.returns import REASON_LABELS, RETURN_LABELS, Reason, ReturnStatus, check_return
from contexts.order.models.orders import Order, OrderLine, choices
from contexts.order.models.refunds import Refund
from ecommerce.ids import new_id

COUNT_DELIVERED = """
    UPDATE order_lines AS l SET delivered_quantity = arrived.pieces
    FROM (
        SELECT p.order_line_id, sum(p.quantity) AS pieces
        FROM shipment_lines p JOIN shipments s ON s.id = p.shipment_id
        WHERE s.order_id = %s AND s.delivered_at IS NOT NULL GROUP BY 1
    ) AS arrived
    WHERE l.id = arrived.order_line_id AND l.delivered_quantity <> arrived.pieces
"""


class ReturnRequest(models.Model):
    """What a buyer wants to give back of an order, and what became of it. It moves only under the order's lock.

    ``actor`` asked for it. What else happened, who did it and why, is in the order's timeline.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="returns", verbose_name="pedido")
    status = models.CharField("situação", max_length=9, choices=choices(RETURN_LABELS))
    reason = models.CharField("motivo", max_length=10, choices=choices(REASON_LABELS))
    note = models.CharField("explicação", max_length=500, blank=True, default="")
    """The buyer's own words."""
    freight = models.BooleanField("devolve o frete")
    answer = models.CharField("resposta", max_length=500, blank=True, default="")
    """What staff told the buyer: how to send the pieces, or why not."""
    actor = models.CharField("quem", max_length=80)
    requested_at = models.DateTimeField("pedida em")
    changed_at = models.DateTimeField("mudou em")
    refund = models.OneToOneField(
        Refund, on_delete=models.PROTECT, related_name="return_request", null=True, blank=True, verbose_name="reembolso"
    )

    class Meta:
        db_table = "returns"
        verbose_name = "pedido de devolução"
        verbose_name_plural = "pedidos de devolução"
        constraints = (
            models.CheckConstraint(condition=Q(status__in=[s.value for s in ReturnStatus]), name="returns_status"),
            models.CheckConstraint(condition=Q(reason__in=[r.value for r in Reason]), name="returns_reason"),
            models.CheckConstraint(
                condition=Q(status=ReturnStatus.REFUNDED.value, refund__isnull=False)
                | (~Q(status=ReturnStatus.REFUNDED.value) & Q(refund__isnull=True)),
                name="returns_refund",
            ),
        )
        indexes = (models.Index(fields=["status", "requested_at", "id"], name="returns_queue"),)

    def __str__(self) -> str:
        return f"{self.get_reason_display()}, {self.get_status_display()}"

    def become(self, new: ReturnStatus, *, now: datetime, answer: str = "", refund: Refund | None = None) -> None:
        """Change the state, in the caller's unit of work with the order locked. One statement.

        Raises:
            IllegalReturn
        """
        check_return(ReturnStatus(self.status), new)
        self.status, self.changed_at, self.refund = new.value, now, refund
        self.answer = answer[:500] or self.answer
        self.save(using="order", update_fields=["status", "changed_at", "refund", "answer"])


class ReturnLine(models.Model):
    """Pieces of a line in a return, and how many of those that came can be sold again."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    request = models.ForeignKey(
        ReturnRequest, on_delete=models.PROTECT, related_name="lines", verbose_name="pedido de devolução"
    )
    order_line = models.ForeignKey(OrderLine, on_delete=models.PROTECT, related_name="returns", verbose_name="item")
    quantity = models.PositiveIntegerField("quantidade")
    sellable_quantity = models.PositiveIntegerField("vendáveis", default=0)

    class Meta:
        db_table = "return_lines"
        verbose_name = "item a devolver"
        verbose_name_plural = "itens a devolver"
        constraints = (
            models.UniqueConstraint(fields=["request", "order_line"], name="return_lines_once"),
            models.CheckConstraint(
                condition=Q(quantity__gte=1, sellable_quantity__lte=F("quantity")), name="return_lines_quantity"
            ),
        )

    def __str__(self) -> str:
        return f"{self.quantity} × {self.order_line_id}"


def count_delivered(order_id: UUID) -> None:
    """Count the pieces of each line that ever arrived, in the caller's unit of work. One statement."""
    with connections["order"].cursor() as cursor:
        cursor.execute(COUNT_DELIVERED, [order_id])
