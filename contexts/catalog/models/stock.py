"""Stock, its ledger and its reservations.

``Stock`` is the current balance, ``StockMovement`` the append-only ledger behind it. At any commit, per variant::

    on_hand  = receive + return + adjust - sell
    reserved = reserve - release - sell
"""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from contexts.catalog.models.products import Variant
from ecommerce.ids import new_id


class Stock(models.Model):
    """Pieces of one variant: in the warehouse, and how many of them are promised to a reservation.

    Whoever writes ``on_hand`` raises ``version`` in the same statement. The database takes a change without it for one
    that bypassed the application: it writes the line of the ledger, and publishes it.
    """

    variant = models.OneToOneField(
        Variant, verbose_name="variante", on_delete=models.PROTECT, primary_key=True, related_name="stock"
    )
    on_hand = models.IntegerField("em estoque", default=0)
    reserved = models.IntegerField("reservado", default=0)
    version = models.BigIntegerField("versão", default=1, db_default=1, editable=False)

    class Meta:
        db_table = "stock"
        verbose_name = "estoque"
        verbose_name_plural = "estoque"
        constraints = (
            models.CheckConstraint(condition=Q(reserved__gte=0), name="stock_reserved_not_negative"),
            models.CheckConstraint(condition=Q(reserved__lte=F("on_hand")), name="stock_reserved_is_on_hand"),
        )

    def __str__(self) -> str:
        return f"{self.available} livres"

    @property
    def available(self) -> int:
        """Pieces neither sold nor reserved."""
        return self.on_hand - self.reserved


class MovementKind(models.TextChoices):
    RECEIVE = "receive", "entrada"
    RESERVE = "reserve", "reserva"
    RELEASE = "release", "reserva desfeita"
    SELL = "sell", "venda"
    RETURN = "return", "devolução"
    ADJUST = "adjust", "ajuste"


class StockMovement(models.Model):
    """One line of the ledger, never changed. ``quantity`` is positive; only an adjustment may be negative.

    No foreign key constraint: the balance row is locked whenever a movement is written, and checking one would write
    a shared lock on the row of every hot variant.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    variant = models.ForeignKey(
        Variant,
        verbose_name="variante",
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="movements",
    )
    kind = models.CharField("tipo", max_length=8, choices=MovementKind)
    quantity = models.IntegerField("quantidade")
    reservation_id = models.UUIDField("reserva", null=True, blank=True)
    reason = models.CharField("motivo", max_length=200, blank=True, default="")
    actor_id = models.UUIDField("por", null=True, blank=True, editable=False)
    at = models.DateTimeField("em")

    class Meta:
        db_table = "stock_movements"
        verbose_name = "movimento de estoque"
        verbose_name_plural = "movimentos de estoque"
        constraints = (
            models.CheckConstraint(condition=Q(kind__in=MovementKind.values), name="stock_movements_known_kind"),
            models.CheckConstraint(
                condition=Q(quantity__gt=0) | (Q(kind=MovementKind.ADJUST) & ~Q(quantity=0)),
                name="stock_movements_quantity_positive",
            ),
        )
        indexes = (models.Index(fields=["variant", "id"], name="stock_movements_of_variant"),)

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.quantity}"


class ReservationStatus(models.TextChoices):
    HELD = "held", "mantida"
    COMMITTED = "committed", "vendida"
    RELEASED = "released", "desfeita"
    RETURNED = "returned", "devolvida"


class StockReservation(models.Model):
    """Pieces held for one order; the caller chose the id. A released one without lines is a tombstone.

    held → committed → returned, or held → released. Of a cancelled order it is returned, too, even if it held nothing:
    that is final, while a released one may take its pieces anew. Only the use cases of stock move it, by conditional
    updates.
    """

    id = models.UUIDField(primary_key=True)
    status = models.CharField("situação", max_length=9, choices=ReservationStatus, default=ReservationStatus.HELD)
    expires_at = models.DateTimeField("expira em")
    created_at = models.DateTimeField("criada em")
    closed_at = models.DateTimeField("encerrada em", null=True, blank=True)

    class Meta:
        db_table = "stock_reservations"
        verbose_name = "reserva de estoque"
        verbose_name_plural = "reservas de estoque"
        constraints = (
            models.CheckConstraint(
                condition=Q(status__in=ReservationStatus.values), name="stock_reservations_known_status"
            ),
        )
        indexes = (
            models.Index(
                fields=["expires_at"], condition=Q(status=ReservationStatus.HELD), name="stock_reservations_to_expire"
            ),
        )

    def __str__(self) -> str:
        return f"{self.id} ({self.get_status_display()})"


class ReservationLine(models.Model):
    """The pieces of one variant in a reservation; fewer or none once some of them came back."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    reservation = models.ForeignKey(StockReservation, on_delete=models.CASCADE, db_index=False, related_name="lines")
    variant = models.ForeignKey(
        Variant,
        verbose_name="variante",
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )
    quantity = models.PositiveIntegerField("quantidade")

    class Meta:
        db_table = "stock_reservation_lines"
        verbose_name = "linha de reserva"
        verbose_name_plural = "linhas de reserva"
        constraints = (
            models.UniqueConstraint(fields=["reservation", "variant"], name="stock_reservation_lines_one_per_variant"),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="stock_reservation_lines_quantity_positive"),
        )

    def __str__(self) -> str:
        return f"{self.quantity} × {self.variant_id}"
