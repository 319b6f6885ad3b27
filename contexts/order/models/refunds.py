"""Refunds: money that goes back to the buyer of an order that stands, with the pieces it is for, if any."""

from __future__ import annotations

from collections import defaultdict
from uuid import UUID

from django.db import models
from django.db.models import F, Q

from contexts.order.domain.money_flow import Portion
from contexts.order.models.orders import CURRENCY, Order, OrderLine
from contexts.order.models.payments import PaymentAttempt
from ecommerce.ids import new_id
from ecommerce.money import Money


class RefundStatus(models.TextChoices):
    REQUESTED = "requested", "pedida"
    DONE = "done", "feita"


class RefundOrigin(models.TextChoices):
    STAFF = "staff", "da loja"
    SURPLUS = "surplus", "pago a mais"
    GATEWAY = "gateway", "feita à mão no gateway"


class Refund(models.Model):
    """Money that goes back while the order stands; what a cancelled order gives back is all that it has left.

    What payments give which part of it is decided when it is written, with the order's row locked, and never again.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="refunds", verbose_name="pedido")
    origin = models.CharField("origem", max_length=8, choices=RefundOrigin)
    status = models.CharField("situação", max_length=9, choices=RefundStatus, default=RefundStatus.REQUESTED)
    amount = models.DecimalField("valor", max_digits=12, decimal_places=2)
    currency = models.CharField("moeda", max_length=3, default=CURRENCY)
    restock = models.BooleanField("volta ao estoque", default=False)
    """Whether the pieces can be sold again."""
    reason = models.CharField("motivo", max_length=200, blank=True, default="")
    actor = models.CharField("quem", max_length=80)
    requested_at = models.DateTimeField("pedida em")
    done_at = models.DateTimeField("feita em", null=True, blank=True)

    class Meta:
        db_table = "refunds"
        verbose_name = "devolução"
        verbose_name_plural = "devoluções"
        constraints = (
            models.CheckConstraint(condition=Q(amount__gt=0), name="refunds_amount"),
            models.CheckConstraint(condition=Q(status__in=RefundStatus.values), name="refunds_status"),
            models.CheckConstraint(condition=Q(origin__in=RefundOrigin.values), name="refunds_origin"),
        )
        indexes = (models.Index(fields=["-requested_at", "-id"], name="refunds_newest"),)

    def __str__(self) -> str:
        return f"{self.amount} {self.get_status_display()}"

    @property
    def money(self) -> Money:
        return Money(self.amount, self.currency)


class RefundLine(models.Model):
    """Pieces of a line that a refund is for; ``freight`` is their share of the freight."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    refund = models.ForeignKey(Refund, on_delete=models.PROTECT, related_name="lines", verbose_name="devolução")
    order_line = models.ForeignKey(OrderLine, on_delete=models.PROTECT, related_name="refunds", verbose_name="item")
    quantity = models.PositiveIntegerField("quantidade")
    amount = models.DecimalField("valor", max_digits=12, decimal_places=2)
    freight = models.DecimalField("frete", max_digits=12, decimal_places=2)

    class Meta:
        db_table = "refund_lines"
        verbose_name = "item devolvido"
        verbose_name_plural = "itens devolvidos"
        constraints = (
            models.UniqueConstraint(fields=["refund", "order_line"], name="refund_lines_once"),
            models.CheckConstraint(
                condition=Q(quantity__gte=1, amount__gte=0, freight__gte=0), name="refund_lines_not_negative"
            ),
        )

    def __str__(self) -> str:
        return f"{self.quantity} × {self.order_line_id}"


class RefundShare(models.Model):
    """What one payment gives of a refund. Its id is the idempotency key at the gateway."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    refund = models.ForeignKey(Refund, on_delete=models.PROTECT, related_name="shares", verbose_name="devolução")
    attempt = models.ForeignKey(
        PaymentAttempt, on_delete=models.PROTECT, related_name="refund_shares", verbose_name="pagamento"
    )
    amount = models.DecimalField("valor", max_digits=12, decimal_places=2)
    interest = models.DecimalField("juros", max_digits=12, decimal_places=2, default=0, db_default=0)
    """What of ``amount`` is interest; the rest is money of the order."""

    class Meta:
        db_table = "refund_shares"
        verbose_name = "parte da devolução"
        verbose_name_plural = "partes da devolução"
        constraints = (
            models.UniqueConstraint(fields=["refund", "attempt"], name="refund_shares_once"),
            models.CheckConstraint(condition=Q(amount__gt=0), name="refund_shares_amount"),
            models.CheckConstraint(
                condition=Q(interest__gte=0, interest__lte=F("amount")), name="refund_shares_interest"
            ),
        )

    def __str__(self) -> str:
        return f"{self.amount}"

    @property
    def money(self) -> Money:
        return Money(self.amount, self.refund.currency)


def asked_back(order_id: UUID) -> dict[tuple[UUID, str], Portion]:
    """Return what all refunds of an order ask of its payments, done or not, by payment and origin. One statement."""
    shares = RefundShare.objects.using("order").filter(refund__order_id=order_id)
    asked: dict[tuple[UUID, str], Portion] = defaultdict(Portion)
    rows = shares.values_list("attempt_id", "refund__origin", "amount", "interest", "refund__currency")
    for attempt, origin, amount, interest, currency in rows:
        asked[attempt, origin] += Portion(part=Money(amount - interest, currency), interest=Money(interest, currency))
    return asked
