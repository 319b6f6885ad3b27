"""The tables of orders."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import models
from django.db.models import F, Q

from contexts.order.domain import PAID, Method, Status, check_transition
from ecommerce.ids import new_id
from ecommerce.money import Money

CURRENCY = "BRL"


def choices(values: Any) -> list[tuple[str, str]]:
    return [(value.value, value.value) for value in values]


class Order(models.Model):
    """What was bought, by whom, where to, at which prices: snapshots, so that later changes elsewhere change nothing.

    ``version`` grows with every change of state and orders the events of the order.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    number = models.CharField(max_length=16, unique=True)
    status = models.CharField(max_length=20, choices=choices(Status), default=Status.PENDING.value)
    version = models.PositiveIntegerField(default=1)
    cart_id = models.UUIDField()
    cart_version = models.PositiveIntegerField()
    customer_id = models.UUIDField(null=True, blank=True)
    email = models.EmailField(max_length=254)
    locale = models.CharField(max_length=10, default="pt-br")
    currency = models.CharField(max_length=3, default=CURRENCY)
    items_total = models.DecimalField(max_digits=12, decimal_places=2)
    shipping_total = models.DecimalField(max_digits=12, decimal_places=2)
    discount_total = models.DecimalField(max_digits=12, decimal_places=2)
    total = models.DecimalField(max_digits=12, decimal_places=2)
    address_snapshot = models.JSONField()
    shipping_snapshot = models.JSONField()
    coupon_snapshot = models.JSONField(null=True, blank=True)
    failure = models.JSONField(null=True, blank=True)
    cancel_reason = models.CharField(max_length=200, blank=True, default="")
    placed_at = models.DateTimeField()
    confirmed_at = models.DateTimeField(null=True, blank=True)
    cancelled_at = models.DateTimeField(null=True, blank=True)
    delivered_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "orders"
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
            models.Index(fields=["email"], condition=Q(customer_id__isnull=True), name="orders_of_guest"),
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
        self._become(Status.FAILED, now=now, why=failure.get("code", ""))
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

    def deliver(self, *, now: datetime, actor: str) -> None:
        """Note that every parcel arrived.

        Raises:
            IllegalTransition
        """
        self._become(Status.DELIVERED, now=now, actor=actor)
        self.delivered_at = now

    def _become(self, new: Status, *, now: datetime, why: str = "", actor: str = "system") -> None:
        old = Status(self.status)
        check_transition(old, new)
        self.status, self.version = new.value, self.version + 1
        self.pending_entry = TimelineEntry(
            order_id=self.id, version=self.version, at=now, actor=actor, from_status=old, to_status=new, reason=why[:200]
        )

    def save_change(self) -> None:
        """Write a change of state and its line of the timeline, in the caller's unit of work with the row locked.

        Two statements.
        """
        self.save(
            using="order",
            force_update=True,
            update_fields=[
                "status", "version", "confirmed_at", "cancelled_at", "delivered_at", "cancel_reason", "failure",
            ],
        )  # fmt: skip
        self.pending_entry.save(using="order", force_insert=True)


class OrderLine(models.Model):
    """One bought variant with its name and price at that time; ``total`` is after ``discount``."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="lines")
    position = models.PositiveSmallIntegerField()
    variant_id = models.UUIDField()
    product_id = models.UUIDField()
    sku = models.CharField(max_length=80)
    name = models.CharField(max_length=255)
    options = models.JSONField(default=dict)
    image_url = models.CharField(max_length=500, blank=True, default="")
    weight_grams = models.PositiveIntegerField(default=0)
    quantity = models.PositiveIntegerField()
    unit_price = models.DecimalField(max_digits=12, decimal_places=2)
    discount = models.DecimalField(max_digits=12, decimal_places=2)
    total = models.DecimalField(max_digits=12, decimal_places=2)
    shipped_quantity = models.PositiveIntegerField(default=0)

    class Meta:
        db_table = "order_lines"
        constraints = (
            models.UniqueConstraint(fields=["order", "variant_id"], name="order_lines_variant_once"),
            models.CheckConstraint(condition=Q(quantity__gte=1), name="order_lines_quantity"),
            models.CheckConstraint(condition=Q(shipped_quantity__lte=F("quantity")), name="order_lines_shipped"),
            models.CheckConstraint(
                condition=Q(total=F("unit_price") * F("quantity") - F("discount"), total__gte=0),
                name="order_lines_adds_up",
            ),
        )

    def __str__(self) -> str:
        return f"{self.quantity} × {self.sku}"


class TimelineEntry(models.Model):
    """Who changed the state of an order, when and why. Append-only."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="timeline")
    version = models.PositiveIntegerField()
    at = models.DateTimeField()
    actor = models.CharField(max_length=80)
    from_status = models.CharField(max_length=20, blank=True, default="")
    to_status = models.CharField(max_length=20)
    reason = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        db_table = "order_timeline"
        constraints = (models.UniqueConstraint(fields=["order", "version"], name="order_timeline_version"),)

    def __str__(self) -> str:
        return f"{self.from_status} → {self.to_status}"


class AttemptStatus(models.TextChoices):
    CREATED = "created"
    UNKNOWN = "unknown"
    PENDING = "pending"
    REQUIRES_ACTION = "requires_action"
    AUTHORIZED = "authorized"
    CAPTURED = "captured"
    DECLINED = "declined"
    EXPIRED = "expired"
    VOIDED = "voided"
    REFUNDED = "refunded"


class PaymentAttempt(models.Model):
    """One try to get one amount by one method. Its id is the idempotency key and the reference at the gateway."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="payments")
    position = models.PositiveSmallIntegerField()
    gateway = models.CharField(max_length=20)
    method = models.CharField(max_length=12, choices=choices(Method))
    amount = models.DecimalField(max_digits=12, decimal_places=2)
    currency = models.CharField(max_length=3, default=CURRENCY)
    instalments = models.PositiveSmallIntegerField(default=1)
    instrument = models.JSONField(default=dict)
    """The gateway's token of a card, or a voucher code; never a card number."""
    status = models.CharField(max_length=16, choices=AttemptStatus, default=AttemptStatus.CREATED)
    gateway_id = models.CharField(max_length=80, blank=True, default="")
    client_data = models.JSONField(default=dict)
    decline_code = models.CharField(max_length=60, blank=True, default="")
    expires_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        db_table = "payment_attempts"
        constraints = (
            models.CheckConstraint(condition=Q(amount__gt=0), name="payment_attempts_amount"),
            models.CheckConstraint(condition=Q(status__in=AttemptStatus.values), name="payment_attempts_status"),
            models.CheckConstraint(condition=Q(instalments__gte=1), name="payment_attempts_instalments"),
        )
        indexes = (models.Index(fields=["gateway", "gateway_id"], name="payment_attempts_gateway_id"),)

    def __str__(self) -> str:
        return f"{self.method} {self.amount} {self.status}"

    @property
    def money(self) -> Money:
        return Money(self.amount, self.currency)


class LedgerKind(models.TextChoices):
    CAPTURE = "capture"
    REFUND = "refund"


class LedgerEntry(models.Model):
    """Money that moved. Append-only; what is captured or refunded is the sum of these, kept nowhere else."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    attempt = models.ForeignKey(PaymentAttempt, on_delete=models.PROTECT, related_name="ledger")
    kind = models.CharField(max_length=8, choices=LedgerKind)
    amount = models.DecimalField(max_digits=12, decimal_places=2)
    reference = models.CharField(max_length=80)
    at = models.DateTimeField()

    class Meta:
        db_table = "payment_ledger"
        verbose_name_plural = "ledger entries"
        constraints = (
            models.UniqueConstraint(fields=["attempt", "kind", "reference"], name="payment_ledger_once"),
            models.CheckConstraint(condition=Q(amount__gt=0), name="payment_ledger_amount"),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.amount}"


class WebhookEvent(models.Model):
    """What a gateway told us, as it came, with a good signature. Processed later, the truth being asked for."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    gateway = models.CharField(max_length=20)
    event_id = models.CharField(max_length=80)
    event_type = models.CharField(max_length=60)
    gateway_id = models.CharField(max_length=80)
    attempt_id = models.UUIDField(null=True)
    body = models.TextField()
    received_at = models.DateTimeField()
    processed_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    error = models.TextField(blank=True, default="")

    class Meta:
        db_table = "payment_webhooks"
        constraints = (models.UniqueConstraint(fields=["gateway", "event_id"], name="payment_webhooks_once"),)
        indexes = (
            models.Index(fields=["received_at"], condition=Q(processed_at__isnull=True), name="payment_webhooks_open"),
        )

    def __str__(self) -> str:
        return f"{self.gateway} {self.event_type}"


class ShippingMethod(models.Model):
    """A way to send an order that the shop offers."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    code = models.SlugField(max_length=40, unique=True)
    name = models.CharField(max_length=80)
    carrier = models.CharField(max_length=60, blank=True, default="")
    delivery_days = models.PositiveSmallIntegerField(default=7)
    active = models.BooleanField(default=True)

    class Meta:
        db_table = "shipping_methods"

    def __str__(self) -> str:
        return self.name


class ShippingRate(models.Model):
    """The price of a method up to a weight, in one state or, with an empty ``state``, wherever none is given."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    method = models.ForeignKey(ShippingMethod, on_delete=models.CASCADE, related_name="rates")
    state = models.CharField(max_length=2, blank=True, default="")
    max_weight_grams = models.PositiveIntegerField()
    price = models.DecimalField(max_digits=12, decimal_places=2)
    currency = models.CharField(max_length=3, default=CURRENCY)

    class Meta:
        db_table = "shipping_rates"
        constraints = (
            models.UniqueConstraint(fields=["method", "state", "max_weight_grams"], name="shipping_rates_once"),
            models.CheckConstraint(condition=Q(price__gte=0), name="shipping_rates_price"),
        )

    def __str__(self) -> str:
        return f"{self.method_id} {self.state or '*'} ≤ {self.max_weight_grams} g"


class ShipmentStatus(models.TextChoices):
    SHIPPED = "shipped"
    IN_TRANSIT = "in_transit"
    OUT_FOR_DELIVERY = "out_for_delivery"
    DELIVERED = "delivered"
    RETURNED = "returned"


class Shipment(models.Model):
    """A parcel of an order."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="shipments")
    carrier = models.CharField(max_length=60)
    tracking_code = models.CharField(max_length=80)
    status = models.CharField(max_length=20, choices=ShipmentStatus, default=ShipmentStatus.SHIPPED)
    shipped_at = models.DateTimeField()
    delivered_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "shipments"
        constraints = (models.UniqueConstraint(fields=["carrier", "tracking_code"], name="shipments_tracking_code"),)

    def __str__(self) -> str:
        return f"{self.carrier} {self.tracking_code}"


class ShipmentLine(models.Model):
    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    shipment = models.ForeignKey(Shipment, on_delete=models.CASCADE, related_name="lines")
    order_line = models.ForeignKey(OrderLine, on_delete=models.CASCADE, related_name="+")
    quantity = models.PositiveIntegerField()

    class Meta:
        db_table = "shipment_lines"
        constraints = (
            models.UniqueConstraint(fields=["shipment", "order_line"], name="shipment_lines_once"),
            models.CheckConstraint(condition=Q(quantity__gte=1), name="shipment_lines_quantity"),
        )

    def __str__(self) -> str:
        return str(self.quantity)


class TrackingEvent(models.Model):
    """What the carrier said about a parcel. Append-only; the same event twice is kept once."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    shipment = models.ForeignKey(Shipment, on_delete=models.CASCADE, related_name="events")
    status = models.CharField(max_length=20, choices=ShipmentStatus)
    description = models.CharField(max_length=200, blank=True, default="")
    location = models.CharField(max_length=120, blank=True, default="")
    at = models.DateTimeField()

    class Meta:
        db_table = "tracking_events"
        constraints = (models.UniqueConstraint(fields=["shipment", "status", "at"], name="tracking_events_once"),)

    def __str__(self) -> str:
        return f"{self.status} {self.at:%Y-%m-%d %H:%M}"


class DailySales(models.Model):
    """Read model: what was sold on a day (UTC), learnt from the events of orders."""

    day = models.DateField(primary_key=True)
    orders = models.PositiveIntegerField(default=0)
    pieces = models.PositiveIntegerField(default=0)
    revenue = models.DecimalField(max_digits=14, decimal_places=2, default=0)
    cancelled_orders = models.PositiveIntegerField(default=0)

    class Meta:
        db_table = "sales_daily"
        verbose_name_plural = "daily sales"

    def __str__(self) -> str:
        return f"{self.day}: {self.revenue}"


def locked_order(order_id: UUID) -> Order | None:
    """Return the order with its row locked until the open unit of work ends."""
    return Order.objects.using("order").select_for_update().filter(id=order_id).first()
