"""Shipping: what it costs, the parcels that left, and where they are."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import models
from django.db.models import Q

from contexts.order.models.orders import CURRENCY, Order, OrderLine
from ecommerce.ids import new_id


class ShippingMethod(models.Model):
    """A way to send an order that the shop offers."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    code = models.SlugField("código", max_length=40, unique=True)
    name = models.CharField("nome", max_length=80)
    carrier = models.CharField("transportadora", max_length=60, blank=True, default="")
    delivery_days = models.PositiveSmallIntegerField("prazo (dias)", default=7)
    active = models.BooleanField("ativa", default=True)

    class Meta:
        db_table = "shipping_methods"
        verbose_name = "forma de envio"
        verbose_name_plural = "formas de envio"

    def __str__(self) -> str:
        return self.name


class ShippingRate(models.Model):
    """The price of a method up to a weight, in one state or, with an empty ``state``, wherever none is given."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    method = models.ForeignKey(
        ShippingMethod, on_delete=models.CASCADE, related_name="rates", verbose_name="forma de envio"
    )
    state = models.CharField("UF", max_length=2, blank=True, default="")
    max_weight_grams = models.PositiveIntegerField("até (g)")
    price = models.DecimalField("preço", max_digits=12, decimal_places=2)
    currency = models.CharField("moeda", max_length=3, default=CURRENCY)

    class Meta:
        db_table = "shipping_rates"
        verbose_name = "preço"
        constraints = (
            models.UniqueConstraint(fields=["method", "state", "max_weight_grams"], name="shipping_rates_once"),
            models.CheckConstraint(condition=Q(price__gte=0), name="shipping_rates_price"),
        )

    def __str__(self) -> str:
        return f"{self.state or 'Brasil'} ≤ {self.max_weight_grams} g"


class ShipmentStatus(models.TextChoices):
    SHIPPED = "shipped", "enviado"
    IN_TRANSIT = "in_transit", "em trânsito"
    OUT_FOR_DELIVERY = "out_for_delivery", "saiu para entrega"
    DELIVERED = "delivered", "entregue"
    RETURNED = "returned", "devolvido"


class Shipment(models.Model):
    """A parcel of an order."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="shipments", verbose_name="pedido")
    carrier = models.CharField("transportadora", max_length=60)
    tracking_code = models.CharField("código de rastreio", max_length=80)
    status = models.CharField("situação", max_length=20, choices=ShipmentStatus, default=ShipmentStatus.SHIPPED)
    shipped_at = models.DateTimeField("enviado em")
    delivered_at = models.DateTimeField("entregue em", null=True, blank=True)

    class Meta:
        db_table = "shipments"
        verbose_name = "remessa"
        constraints = (models.UniqueConstraint(fields=["carrier", "tracking_code"], name="shipments_tracking_code"),)
        indexes = (models.Index(fields=["-shipped_at", "-id"], name="shipments_newest"),)

    def __str__(self) -> str:
        return f"{self.carrier} {self.tracking_code}"

    def follow(self, events: Sequence[TrackingEvent]) -> bool:
        """Take the state that the carrier's ``events`` add up to, the latest of them; return whether that is news.

        However the events arrived, the result is the same. A delivered parcel can only come back.
        """
        latest = max(events, key=lambda event: (event.at, event.id), default=None)
        delivered = min((event.at for event in events if event.status == ShipmentStatus.DELIVERED), default=None)
        status = self.status
        if delivered is not None and not (latest and latest.status == ShipmentStatus.RETURNED):
            status = ShipmentStatus.DELIVERED
        elif latest is not None:
            status = latest.status
        news = (status, delivered) != (self.status, self.delivered_at)
        self.status, self.delivered_at = status, delivered
        return news

    def save_change(self) -> None:
        self.save(using="order", update_fields=["status", "delivered_at"])


class ShipmentLine(models.Model):
    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    shipment = models.ForeignKey(Shipment, on_delete=models.CASCADE, related_name="lines", verbose_name="remessa")
    order_line = models.ForeignKey(OrderLine, on_delete=models.CASCADE, related_name="+", verbose_name="item")
    quantity = models.PositiveIntegerField("quantidade")

    class Meta:
        db_table = "shipment_lines"
        verbose_name = "item da remessa"
        verbose_name_plural = "itens da remessa"
        constraints = (
            models.UniqueConstraint(fields=["shipment", "order_line"], name="shipment_lines_once"),
            models.CheckConstraint(condition=Q(quantity__gte=1), name="shipment_lines_quantity"),
        )

    def __str__(self) -> str:
        return str(self.quantity)


class TrackingEvent(models.Model):
    """What the carrier said about a parcel. Append-only; the same event twice is kept once."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    shipment = models.ForeignKey(Shipment, on_delete=models.CASCADE, related_name="events", verbose_name="remessa")
    status = models.CharField("situação", max_length=20, choices=ShipmentStatus)
    description = models.CharField("descrição", max_length=200, blank=True, default="")
    location = models.CharField("local", max_length=120, blank=True, default="")
    at = models.DateTimeField("quando")

    class Meta:
        db_table = "tracking_events"
        verbose_name = "rastreio"
        constraints = (models.UniqueConstraint(fields=["shipment", "status", "at"], name="tracking_events_once"),)

    def __str__(self) -> str:
        return f"{self.status} {self.at:%Y-%m-%d %H:%M}"
