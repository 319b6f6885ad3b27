"""The tables of cart. ``cart_events`` is the truth; the database refuses to change or delete its rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from django.db import IntegrityError, models
from django.db.models import F, Q

from contexts.cart.domain import events
from contexts.cart.domain.state import CartState, Line, Status
from ecommerce import codec
from ecommerce.db import rows
from ecommerce.ids import new_id
from ecommerce.money import Money

STATE_FIELDS = tuple(field.name for field in fields(CartState))
"""Every field of the state is a column of the projection under the same name."""
PROJECTED = (*(name for name in STATE_FIELDS if name != "id"), "pieces", "subtotal_amount")
"""The columns that change."""


class VersionTaken(Exception):
    """Another event of the cart has this version."""


class Cart(models.Model):
    """The projection of a cart's events, and the row that writers lock. Written by its own methods alone,
    so that it equals :func:`contexts.cart.domain.events.rebuild` at any moment."""

    STATUSES: ClassVar = [
        (Status.OPEN.value, "aberto"),
        (Status.CONVERTED.value, "convertido"),
        (Status.EXPIRED.value, "expirado"),
        (Status.MERGED.value, "unido a outro"),
    ]

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    version = models.PositiveIntegerField("versão")
    contents_version = models.PositiveIntegerField("versão do conteúdo")
    status = models.CharField("situação", max_length=9, choices=STATUSES)
    customer_id = models.UUIDField("cliente", null=True)
    token_hash = models.CharField(max_length=64, blank=True)
    recovery_token_hash = models.CharField(max_length=64, blank=True)
    email = models.CharField("e-mail", max_length=254, blank=True)
    marketing_consent = models.BooleanField("aceita lembretes")
    coupon_code = models.CharField("cupom", max_length=64, blank=True)
    coupon_applied_at = models.DateTimeField("cupom desde", null=True)
    currency = models.CharField("moeda", max_length=3)
    lines = models.JSONField("itens")
    pieces = models.PositiveIntegerField("peças")
    subtotal_amount = models.DecimalField("subtotal", max_digits=18, decimal_places=2)
    converted_order_id = models.UUIDField("pedido", null=True)
    merged_into_id = models.UUIDField("unido a", null=True)
    last_activity_at = models.DateTimeField("última atividade")
    abandoned_at = models.DateTimeField("abandonado em", null=True)
    created_at = models.DateTimeField("criado em")

    class Meta:
        db_table = "carts"
        verbose_name = "carrinho"
        constraints = (
            models.CheckConstraint(condition=Q(status__in=[status.value for status in Status]), name="carts_status"),
            models.CheckConstraint(
                condition=Q(status=Status.CONVERTED.value, converted_order_id__isnull=False)
                | (~Q(status=Status.CONVERTED.value) & Q(converted_order_id__isnull=True)),
                name="carts_converted_has_order",
            ),
            models.CheckConstraint(
                condition=Q(status=Status.MERGED.value, merged_into_id__isnull=False)
                | (~Q(status=Status.MERGED.value) & Q(merged_into_id__isnull=True)),
                name="carts_merged_has_target",
            ),
            models.CheckConstraint(
                condition=Q(contents_version__gte=1, contents_version__lte=F("version")), name="carts_versions"
            ),
            models.UniqueConstraint(
                fields=["converted_order_id"], condition=Q(converted_order_id__isnull=False), name="carts_order_once"
            ),
        )
        indexes = (
            models.Index(
                fields=["customer_id", "-id"], condition=Q(customer_id__isnull=False), name="carts_of_customer"
            ),
            models.Index(fields=["email"], condition=~Q(email=""), name="carts_of_email"),
            models.Index(fields=["last_activity_at"], condition=Q(status=Status.OPEN.value), name="carts_idle"),
            models.Index(
                fields=["last_activity_at"],
                condition=Q(status=Status.OPEN.value, marketing_consent=True, abandoned_at__isnull=True, pieces__gt=0),
                name="carts_to_remind",
            ),
        )

    def __str__(self) -> str:
        return str(self.id)

    @classmethod
    def open(cls, created: Sequence[events.Event], *, actor: str, now: datetime) -> Cart:
        """Insert a new cart and its first events by one statement, which needs no transaction around it."""
        recorded = events.following(None, created, at=now, actor=actor)
        state = events.rebuild(recorded)
        cart = cls(**columns_of(state))
        rows.insert([cart, *CartEvent.rows(state.id, recorded)], using="cart")
        return cart

    def record(self, happened: Sequence[events.Event], *, actor: str, now: datetime) -> None:
        """Append events and project them by one statement, none if nothing happened. It needs no transaction around it.

        Raises:
            VersionTaken: the cart was changed since it was read, which a lock prevents. Nothing was written, and a
                transaction that is open must end.
        """
        if not happened:
            return
        appended = self._advance(happened, actor=actor, now=now)
        try:
            rows.update(self, PROJECTED, using="cart", insert=appended)
        except IntegrityError as error:
            if "cart_events_version_once" in str(error):
                raise VersionTaken(self.pk) from error
            raise

    @classmethod
    def record_all(cls, happened: Sequence[tuple[Cart, Sequence[events.Event]]], *, actor: str, now: datetime) -> None:
        """As :meth:`record` for several carts at once: two statements however many. Lock the rows first."""
        appended: list[CartEvent] = []
        for cart, events_of_cart in happened:
            appended += cart._advance(events_of_cart, actor=actor, now=now)
        if appended:
            CartEvent.objects.bulk_create(appended)
            cls.store([cart for cart, events_of_cart in happened if events_of_cart])

    @classmethod
    def store(cls, carts: Sequence[Cart]) -> None:
        """Write whole projections, new or known, in one statement. Lock those that exist first."""
        Cart.objects.bulk_create(carts, update_conflicts=True, unique_fields=["id"], update_fields=PROJECTED)

    def _advance(self, happened: Sequence[events.Event], *, actor: str, now: datetime) -> list[CartEvent]:
        """Apply events to this object and return their rows; nothing is written."""
        before = self.state
        recorded = events.following(before, happened, at=now, actor=actor)
        for name, value in columns_of(events.rebuild(recorded, before)).items():
            setattr(self, name, value)
        return CartEvent.rows(self.id, recorded)

    @property
    def state(self) -> CartState:
        columns = {name: getattr(self, name) for name in STATE_FIELDS}
        return CartState(**{**columns, "status": Status(self.status), "lines": self._lines})

    @property
    def subtotal(self) -> Money:
        return Money(self.subtotal_amount, self.currency)

    @property
    def _lines(self) -> tuple[Line, ...]:
        return codec.from_builtins(self.lines, tuple[Line, ...])


def columns_of(state: CartState) -> dict[str, Any]:
    """Return the columns of the projection of ``state``."""
    return {
        **{name: getattr(state, name) for name in STATE_FIELDS},
        "status": state.status.value,
        "lines": codec.to_builtins(list(state.lines)),
        "pieces": state.pieces,
        "subtotal_amount": state.subtotal.amount,
    }


class CartEvent(models.Model):
    """One event of one cart. Append-only: a trigger refuses UPDATE and DELETE, except that an e-mail may be blanked."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    cart_id = models.UUIDField("carrinho")
    version = models.PositiveIntegerField("versão")
    type = models.CharField("evento", max_length=40)
    data = models.JSONField("dados")
    at = models.DateTimeField("quando")
    actor = models.CharField("quem", max_length=60)

    class Meta:
        db_table = "cart_events"
        verbose_name = "evento de carrinho"
        verbose_name_plural = "eventos de carrinho"
        constraints = (
            models.UniqueConstraint(fields=["cart_id", "version"], name="cart_events_version_once"),
            models.CheckConstraint(condition=Q(version__gte=1), name="cart_events_version"),
        )

    def __str__(self) -> str:
        return f"{self.version} {self.type}"

    @classmethod
    def rows(cls, cart_id: UUID, recorded: Sequence[events.Recorded]) -> list[CartEvent]:
        """Return unsaved rows of one cart's events."""
        return [
            cls(
                cart_id=cart_id,
                version=one.version,
                type=one.event.type,
                data=events.to_data(one.event),
                at=one.at,
                actor=one.actor,
            )
            for one in recorded
        ]

    @property
    def recorded(self) -> events.Recorded:
        return events.Recorded(
            version=self.version, at=self.at, actor=self.actor, event=events.from_data(self.type, self.data)
        )


class AbandonedCart(models.Model):
    """One time that a cart was left alone. ``notified``: a reminder was asked for, which the frequency cap may forbid.

    ``link_used_at`` makes the reminder's link work once. ``recovered_*`` is the order that the cart became after all.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    cart_id = models.UUIDField("carrinho")
    cart_version = models.PositiveIntegerField("versão do carrinho")
    customer_id = models.UUIDField("cliente", null=True)
    detected_at = models.DateTimeField("detectado em")
    notified = models.BooleanField("lembrete enviado")
    pieces = models.PositiveIntegerField("peças")
    subtotal_amount = models.DecimalField("valor abandonado", max_digits=18, decimal_places=2)
    currency = models.CharField("moeda", max_length=3)
    link_used_at = models.DateTimeField("link usado em", null=True)
    recovered_at = models.DateTimeField("recuperado em", null=True)
    recovered_order_id = models.UUIDField("pedido", null=True)
    recovered_amount = models.DecimalField("valor recuperado", max_digits=18, decimal_places=2, null=True)

    class Meta:
        db_table = "abandoned_carts"
        verbose_name = "carrinho abandonado"
        verbose_name_plural = "carrinhos abandonados"
        constraints = (
            models.UniqueConstraint(fields=["cart_id", "cart_version"], name="abandoned_carts_once"),
            models.UniqueConstraint(
                fields=["recovered_order_id"],
                condition=Q(recovered_order_id__isnull=False),
                name="abandoned_carts_order_once",
            ),
            models.CheckConstraint(
                condition=Q(recovered_at__isnull=True, recovered_order_id__isnull=True, recovered_amount__isnull=True)
                | Q(recovered_at__isnull=False, recovered_order_id__isnull=False, recovered_amount__gte=0),
                name="abandoned_carts_recovered_whole",
            ),
        )
        indexes = (models.Index(fields=["-detected_at", "-id"], name="abandoned_carts_newest"),)

    def __str__(self) -> str:
        return str(self.cart_id)


class Reminder(models.Model):
    """When a person was last reminded of a cart: the frequency cap. ``contact`` is a SHA-256 of customer or e-mail."""

    contact = models.CharField(primary_key=True, max_length=64)
    reminded_at = models.DateTimeField()

    class Meta:
        db_table = "reminders"

    def __str__(self) -> str:
        return self.contact


class VariantPrice(models.Model):
    """The last price of a variant that catalog announced: what a cart shows while catalog cannot be asked."""

    variant_id = models.UUIDField(primary_key=True)
    price = models.DecimalField(max_digits=12, decimal_places=2)
    currency = models.CharField(max_length=3)
    version = models.PositiveBigIntegerField()
    changed_at = models.DateTimeField()

    class Meta:
        db_table = "variant_prices"

    def __str__(self) -> str:
        return str(self.variant_id)


class ExhaustedCoupon(models.Model):
    """A coupon whose last use was confirmed. One row flags every cart that took the code before that moment."""

    code = models.CharField(primary_key=True, max_length=64)
    coupon_id = models.UUIDField()
    version = models.PositiveBigIntegerField()
    exhausted_at = models.DateTimeField()

    class Meta:
        db_table = "exhausted_coupons"

    def __str__(self) -> str:
        return self.code
