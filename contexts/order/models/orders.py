"""Orders: what was bought, and what became of it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, cast
from uuid import UUID

from django.db import models
from django.db.models import F, Q

from contexts.order.domain import PAID, Status, check_transition
from ecommerce.db import rows
from ecommerce.ids import new_id
from ecommerce.money import Money

CURRENCY = "BRL"
CHANGING = ("status", "version", "confirmed_at", "cancelled_at", "delivered_at", "cancel_reason", "failure")
"""The columns of an order that change."""
STATUS_LABELS = {
    Status.PENDING: "em processamento",
    Status.AWAITING_PAYMENT: "aguardando pagamento",
    Status.CONFIRMED: "confirmado",
    Status.PARTIALLY_SHIPPED: "enviado em parte",
    Status.SHIPPED: "enviado",
    Status.DELIVERED: "entregue",
    Status.CANCELLED: "cancelado",
    Status.FAILED: "recusado",
}


def choices(labels: dict[Any, str]) -> list[tuple[str, str]]:
    """Return the choices of a field from the labels of an enumeration."""
    return [(cast(StrEnum, value).value, label) for value, label in labels.items()]


class Order(models.Model):
    """What was bought, by whom, where to, at which prices: snapshots, so that later changes elsewhere change nothing.

    ``version`` grows with every change of state and orders the events of the order.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    number = models.CharField("número", max_length=16, unique=True)
    status = models.CharField("situação", max_length=20, choices=choices(STATUS_LABELS), default=Status.PENDING.value)
    version = models.PositiveIntegerField("versão", default=1)
    cart_id = models.UUIDField("carrinho")
    cart_version = models.PositiveIntegerField("versão do carrinho")
    customer_id = models.UUIDField("cliente", null=True, blank=True)
    email = models.EmailField("e-mail", max_length=254)
    locale = models.CharField("idioma", max_length=10, default="pt-br")
    currency = models.CharField("moeda", max_length=3, default=CURRENCY)
    items_total = models.DecimalField("itens", max_digits=12, decimal_places=2)
    shipping_total = models.DecimalField("frete", max_digits=12, decimal_places=2)
    discount_total = models.DecimalField("desconto", max_digits=12, decimal_places=2)
    total = models.DecimalField("total", max_digits=12, decimal_places=2)
    address_snapshot = models.JSONField("endereço")
    shipping_snapshot = models.JSONField("envio")
    coupon_snapshot = models.JSONField("descontos aplicados", null=True, blank=True)
    failure = models.JSONField("recusa", null=True, blank=True)
    """Why the order never stood: ``code``, ``kind``, ``detail`` and ``params`` of the error."""
    cancel_reason = models.CharField("motivo do cancelamento", max_length=200, blank=True, default="")
    placed_at = models.DateTimeField("feito em")
    confirmed_at = models.DateTimeField("confirmado em", null=True, blank=True)
    cancelled_at = models.DateTimeField("cancelado em", null=True, blank=True)
    delivered_at = models.DateTimeField("entregue em", null=True, blank=True)

    class Meta:
        db_table = "orders"
        verbose_name = "pedido"
        constraints = (
            models.CheckConstraint(condition=Q(status__in=[s.value for s in Status]), name="orders_status"),
            models.CheckConstraint(
                condition=Q(total=F("items_total") + F("shipping_total") - F("discount_total")), name="orders_adds_up"
            ),
            models.CheckConstraint(condition=Q(total__gte=0), name="orders_total_not_negative"),
            models.UniqueConstraint(
                fields=["cart_id"], condition=~Q(status__in=["failed", "cancelled"]), name="orders_one_per_cart"
            ),
        )
        indexes = (
            models.Index(fields=["customer_id", "-placed_at", "-id"], name="orders_of_customer"),
            models.Index(fields=["-placed_at", "-id"], name="orders_newest"),
            models.Index(fields=["status", "-placed_at", "-id"], name="orders_of_status"),
            models.Index(fields=["email", "-placed_at", "-id"], name="orders_of_email"),
        )

    def __str__(self) -> str:
        return self.number

    @property
    def due(self) -> Money:
        return Money(self.total, self.currency)

    @property
    def is_paid(self) -> bool:
        return Status(self.status) in PAID

    def await_payment(self, *, now: datetime) -> None:
        """Note that the money will come later.

        Raises:
            IllegalTransition
        """
        self._become(Status.AWAITING_PAYMENT, now=now)

    def confirm(self, *, now: datetime) -> None:
        """Note that the order is paid in full.

        Raises:
            IllegalTransition
        """
        self._become(Status.CONFIRMED, now=now)
        self.confirmed_at = now

    def fail(self, *, failure: dict[str, Any], now: datetime) -> None:
        """Note that the order never came to stand.

        Raises:
            IllegalTransition
        """
        self._become(Status.FAILED, now=now, why=failure["code"])
        self.failure = failure

    def cancel(self, *, reason: str, actor: str, now: datetime) -> None:
        """Give the order up before anything was shipped.

        Raises:
            IllegalTransition: it was shipped, cancelled or failed before.
        """
        self._become(Status.CANCELLED, now=now, why=reason, actor=actor)
        self.cancel_reason, self.cancelled_at = reason[:200], now

    def ship(self, *, everything: bool, actor: str, now: datetime) -> None:
        """Note that a parcel left; ``everything`` says that nothing is left to send.

        Raises:
            IllegalTransition: it is not paid, or it was shipped, cancelled or failed before.
        """
        self._become(Status.SHIPPED if everything else Status.PARTIALLY_SHIPPED, now=now, actor=actor)

    def deliver(self, *, at: datetime, actor: str, now: datetime) -> None:
        """Note that every parcel arrived, the last one at ``at``.

        Raises:
            IllegalTransition
        """
        self._become(Status.DELIVERED, now=now, actor=actor)
        self.delivered_at = at

    def count_event(self) -> int:
        """Take the next version for an event that is no change of state, in the caller's unit of work with the row
        locked; return it. One statement.
        """
        self.version += 1
        rows.update(self, ("version",), using="order")
        return self.version

    def note(self, what: str, *, why: str, actor: str, now: datetime) -> int:
        """Write something into the timeline that is no change of state, in the caller's unit of work with the row
        locked; return the version it takes. One statement.
        """
        self.version += 1
        entry = TimelineEntry(
            order_id=self.id,
            version=self.version,
            at=now,
            actor=actor,
            from_status=self.status,
            to_status=what,
            reason=why[:200],
        )
        rows.update(self, ("version",), using="order", insert=[entry])
        return self.version

    def _become(self, new: Status, *, now: datetime, why: str = "", actor: str = "system") -> None:
        old = Status(self.status)
        check_transition(old, new)
        self.status, self.version = new.value, self.version + 1
        self.pending_entry = TimelineEntry(
            order_id=self.id,
            version=self.version,
            at=now,
            actor=actor,
            from_status=old.value,
            to_status=new.value,
            reason=why[:200],
        )

    def save_change(self) -> None:
        """Write a change of state and its line of the timeline, in the caller's unit of work with the row locked.

        One statement.
        """
        rows.update(self, CHANGING, using="order", insert=[self.pending_entry])


class OrderLine(models.Model):
    """One bought variant with its name and price at that time; ``total`` is after ``discount``."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="lines", verbose_name="pedido")
    position = models.PositiveSmallIntegerField("posição")
    variant_id = models.UUIDField("variante")
    product_id = models.UUIDField("produto")
    sku = models.CharField("SKU", max_length=80)
    name = models.CharField("nome", max_length=255)
    options = models.JSONField("opções", default=dict)
    image_url = models.CharField("imagem", max_length=500, blank=True, default="")
    weight_grams = models.PositiveIntegerField("peso (g)", default=0)
    quantity = models.PositiveIntegerField("quantidade")
    unit_price = models.DecimalField("preço", max_digits=12, decimal_places=2)
    discount = models.DecimalField("desconto", max_digits=12, decimal_places=2)
    total = models.DecimalField("total", max_digits=12, decimal_places=2)
    shipped_quantity = models.PositiveIntegerField("enviados", default=0)
    refunded_quantity = models.PositiveIntegerField("devolvidos", default=0, db_default=0)
    """Pieces whose money went back, or is on its way."""
    withdrawn_quantity = models.PositiveIntegerField("retirados", default=0, db_default=0)
    """Those of them that had not been sent: they stay here."""
    delivered_quantity = models.PositiveIntegerField("entregues", default=0, db_default=0)
    returning_quantity = models.PositiveIntegerField("a devolver", default=0, db_default=0)
    """Pieces of returns that are under way."""
    returned_quantity = models.PositiveIntegerField("pagas por devolução", default=0, db_default=0)
    """Pieces of returns whose money went back, if they had cost any."""

    class Meta:
        db_table = "order_lines"
        verbose_name = "item"
        verbose_name_plural = "itens"
        constraints = (
            models.UniqueConstraint(fields=["order", "variant_id"], name="order_lines_variant_once"),
            models.CheckConstraint(condition=Q(quantity__gte=1), name="order_lines_quantity"),
            models.CheckConstraint(
                condition=Q(shipped_quantity__lte=F("quantity") - F("withdrawn_quantity")), name="order_lines_shipped"
            ),
            models.CheckConstraint(
                condition=Q(refunded_quantity__lte=F("quantity"), withdrawn_quantity__lte=F("refunded_quantity")),
                name="order_lines_refunded",
            ),
            models.CheckConstraint(
                condition=Q(
                    delivered_quantity__lte=F("shipped_quantity"),
                    returning_quantity__lte=F("delivered_quantity") - F("returned_quantity"),
                ),
                name="order_lines_returning",
            ),
            models.CheckConstraint(
                condition=Q(returning_quantity__lte=F("quantity") - F("refunded_quantity")),
                name="order_lines_returned_once",
            ),
            models.CheckConstraint(
                condition=Q(total=F("unit_price") * F("quantity") - F("discount"), total__gte=0),
                name="order_lines_adds_up",
            ),
        )

    def __str__(self) -> str:
        return f"{self.quantity} × {self.sku}"

    @property
    def to_send(self) -> int:
        """How many pieces are still to leave the warehouse."""
        return self.quantity - self.shipped_quantity - self.withdrawn_quantity

    @property
    def refundable(self) -> int:
        """How many pieces staff may give the money back for, without a return."""
        return self.quantity - self.refunded_quantity - self.returning_quantity

    @property
    def returnable(self) -> int:
        """How many pieces the buyer may ask to give back: those that arrived, and whose money is still here."""
        return min(self.delivered_quantity - self.returned_quantity - self.returning_quantity, self.refundable)

    def refund(self, pieces: int) -> None:
        """Count pieces as given back: those that are still here first, for they will not be sent any more."""
        self.refunded_quantity += pieces
        self.withdrawn_quantity += min(pieces, self.to_send)

    def refund_returned(self, pieces: int) -> None:
        """Count pieces of a return as given back."""
        self.returning_quantity -= pieces
        self.returned_quantity += pieces
        self.refunded_quantity += pieces


class TimelineEntry(models.Model):
    """Who changed the state of an order, when and why. Append-only, by a trigger.

    What happened to a return of it is here, too, as ``return_requested`` and the like.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="timeline", verbose_name="pedido")
    version = models.PositiveIntegerField("versão")
    at = models.DateTimeField("quando")
    actor = models.CharField("quem", max_length=80)
    from_status = models.CharField("de", max_length=20, blank=True, default="")
    to_status = models.CharField("para", max_length=20)
    reason = models.CharField("motivo", max_length=200, blank=True, default="")

    class Meta:
        db_table = "order_timeline"
        verbose_name = "mudança"
        constraints = (models.UniqueConstraint(fields=["order", "version"], name="order_timeline_version"),)

    def __str__(self) -> str:
        return f"{self.from_status} → {self.to_status}"


class DailySales(models.Model):
    """Read model: what was sold on a day (UTC), learnt from the events of orders."""

    day = models.DateField("dia", primary_key=True)
    orders = models.PositiveIntegerField("pedidos", default=0)
    pieces = models.PositiveIntegerField("peças", default=0)
    revenue = models.DecimalField("receita", max_digits=14, decimal_places=2, default=0)
    cancelled_orders = models.PositiveIntegerField("cancelados", default=0)
    interest = models.DecimalField("juros", max_digits=14, decimal_places=2, default=0, db_default=0)
    """What buyers paid on top of the revenue for paying later."""
    refunded = models.DecimalField("devolvido", max_digits=14, decimal_places=2, default=0, db_default=0)
    """Of orders that stand, on the day it went back; with its interest."""

    class Meta:
        db_table = "sales_daily"
        verbose_name = "vendas do dia"
        verbose_name_plural = "vendas por dia"

    def __str__(self) -> str:
        return f"{self.day}: {self.revenue}"


def locked_order(order_id: UUID) -> Order | None:
    """Return the order with its row locked until the open unit of work ends."""
    return next(iter(rows.fetch(Order, "WHERE id = %s FOR UPDATE", [order_id], using="order")), None)
