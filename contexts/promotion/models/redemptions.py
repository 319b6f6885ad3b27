"""Redemptions, and who has bought before."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import ClassVar
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.db import connections, models
from django.db.models import Q

from contexts.promotion.models.coupons import Coupon
from ecommerce import codec
from ecommerce.ids import new_id


class RedemptionQuerySet(models.QuerySet["Redemption"]):
    _INSERT = """
        INSERT INTO redemptions (id, status, coupon_id, customer_keys, amounts, reserved_at, released_at)
        VALUES (%s, %s, %s, %s::text[], %s::jsonb, %s, %s)
        ON CONFLICT (id) DO NOTHING
    """

    def insert_if_absent(self, redemption: "Redemption") -> bool:
        """Insert ``redemption``; False when its id is taken. Waits for a concurrent insert of the same id."""
        with connections[self.db].cursor() as cursor:
            cursor.execute(
                self._INSERT,
                [
                    redemption.id,
                    redemption.status,
                    redemption.coupon_id,
                    redemption.customer_keys,
                    codec.encode(redemption.amounts).decode(),
                    redemption.reserved_at,
                    redemption.released_at,
                ],
            )
            return bool(cursor.rowcount == 1)


class Redemption(models.Model):
    """The uses that one order holds. ``id`` is the caller's (the order's).

    A released one without ``reserved_at`` is a tombstone: it was released before it was ever reserved. ``amounts``
    holds ``total``, ``currency``, ``discounts`` (id, label, amount) and ``campaigns`` (id to the amount charged).
    """

    class Status(models.TextChoices):
        RESERVED = "reserved", "Reservado"
        CONFIRMED = "confirmed", "Confirmado"
        RELEASED = "released", "Devolvido"

    id = models.UUIDField("pedido", primary_key=True, editable=False)
    status = models.CharField("situação", max_length=9, choices=Status.choices)
    coupon = models.ForeignKey(
        Coupon, on_delete=models.PROTECT, related_name="redemptions", null=True, verbose_name="cupom"
    )
    customer_keys = ArrayField(models.CharField(max_length=80), default=list, verbose_name="cliente")
    amounts = models.JSONField("valores", default=dict)
    reserved_at = models.DateTimeField("reservado em", null=True)
    confirmed_at = models.DateTimeField("confirmado em", null=True)
    released_at = models.DateTimeField("devolvido em", null=True)

    objects = RedemptionQuerySet.as_manager()

    class Meta:
        db_table = "redemptions"
        verbose_name = "resgate"
        verbose_name_plural = "resgates"
        ordering: ClassVar[list[str]] = ["-id"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                condition=Q(status="reserved", reserved_at__isnull=False, confirmed_at=None, released_at=None)
                | Q(status="confirmed", reserved_at__isnull=False, confirmed_at__isnull=False, released_at=None)
                | Q(status="released", released_at__isnull=False),
                name="redemption_times_fit_status",
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)

    @property
    def charged_campaigns(self) -> dict[UUID, Decimal]:
        """What the redemption took from which limited campaign."""
        return {UUID(key): Decimal(amount) for key, amount in self.amounts.get("campaigns", {}).items()}

    def confirm(self, *, now: datetime) -> bool:
        """Turn a reservation into a use; False when there is nothing to confirm. The row must be locked."""
        if self.status != self.Status.RESERVED:
            return False
        self.status = self.Status.CONFIRMED
        self.confirmed_at = now
        self.save(update_fields=["status", "confirmed_at"])
        return True

    def release(self, *, now: datetime) -> bool:
        """Mark it released, confirmed or not; False when it was before. The row must be locked."""
        if self.status == self.Status.RELEASED:
            return False
        self.status = self.Status.RELEASED
        self.released_at = now
        self.save(update_fields=["status", "released_at"])
        return True


class BuyerQuerySet(models.QuerySet["Buyer"]):
    def remember(self, *, order_id: UUID, customer_keys: Iterable[str]) -> None:
        """Note that these names stand behind a confirmed order. Idempotent."""
        rows = [Buyer(order_id=order_id, customer_key=key) for key in sorted(customer_keys)]
        self.bulk_create(rows, ignore_conflicts=True)

    _TAKE_FIRST = """
        INSERT INTO buyers (id, customer_key, order_id, is_first)
        SELECT id, customer_key, %s, true FROM unnest(%s::uuid[], %s::text[]) AS names (id, customer_key)
        ON CONFLICT DO NOTHING
    """

    def take_first(self, *, order_id: UUID, customer_keys: Iterable[str]) -> bool:
        """Make this order the first purchase of all these names; False when another order is that of any of them.

        Waits for a concurrent order of the same buyer. Then the caller must roll back.
        """
        names = sorted(customer_keys)
        with connections[self.db].cursor() as cursor:
            cursor.execute(self._TAKE_FIRST, [order_id, [new_id() for _ in names], names])
            return bool(cursor.rowcount == len(names))


class Buyer(models.Model):
    """A purchase, for discounts on the first one: one row per order and name of the buyer.

    It is remembered when it is confirmed; one that got such a discount from the start, and until it is cancelled. A
    guest's purchase without any discount is not: promotion never learns the e-mail.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    customer_key = models.CharField(max_length=80)
    order_id = models.UUIDField(db_index=True)
    is_first = models.BooleanField(default=False, db_default=False)
    """It got a discount on the first purchase."""

    objects = BuyerQuerySet.as_manager()

    class Meta:
        db_table = "buyers"
        verbose_name = "comprador"
        verbose_name_plural = "compradores"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["customer_key", "order_id"], name="buyer_order_once"),
            models.UniqueConstraint(fields=["customer_key"], condition=Q(is_first=True), name="buyer_first_once"),
        ]

    def __str__(self) -> str:
        return self.customer_key
