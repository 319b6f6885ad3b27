"""Orders in the back office: one timeline per order; status and money change through use cases only."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.admin import TabularInline
from unfold.decorators import display

from contexts.order.models import (
    DailySales,
    LedgerEntry,
    Order,
    OrderLine,
    PaymentAttempt,
    Shipment,
    ShippingMethod,
    ShippingRate,
    WebhookEvent,
)
from contexts.order.usecases.cancel_order import cancel_order
from ecommerce import clock
from ecommerce.admin import ContextAdmin
from ecommerce.errors import DomainError
from ecommerce.saga.history import steps_of

Entry = tuple[datetime, str, str, str]
"""When, which part, what, and what is to be said about it."""
LABELS = {
    "pending": "info",
    "awaiting_payment": "warning",
    "confirmed": "success",
    "partially_shipped": "primary",
    "shipped": "primary",
    "delivered": "success",
    "cancelled": "danger",
    "failed": "danger",
}


class ReadOnly:
    """Mixed into an admin or inline: its rows are looked at, never edited."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class LineInline(ReadOnly, TabularInline):
    model = OrderLine
    fields = ("sku", "name", "quantity", "shipped_quantity", "unit_price", "discount", "total")
    ordering = ("position",)
    extra = 0


class PaymentInline(ReadOnly, TabularInline):
    model = PaymentAttempt
    fields = ("method", "amount", "instalments", "status", "decline_code", "gateway_id", "expires_at")
    ordering = ("position",)
    extra = 0


class ShipmentInline(ReadOnly, TabularInline):
    model = Shipment
    fields = ("carrier", "tracking_code", "status", "shipped_at", "delivered_at")
    extra = 0


@admin.register(Order)
class OrderAdmin(ReadOnly, ContextAdmin):
    list_display = ("number", "situation", "email", "total", "placed_at", "confirmed_at")
    list_filter = ("status", ("placed_at", admin.DateFieldListFilter))
    ordering = ("-placed_at", "-id")
    search_fields = ("number__exact", "email__exact")
    search_help_text = "Número do pedido ou e-mail, por inteiro"
    fieldsets = (
        (None, {"fields": ("number", "status", "email", "customer_id", "placed_at")}),
        ("Valores", {"fields": ("items_total", "discount_total", "shipping_total", "total", "coupon_snapshot")}),
        ("Entrega", {"fields": ("address_snapshot", "shipping_snapshot")}),
        ("O que aconteceu", {"fields": ("story",)}),
    )
    readonly_fields = ("story",)
    inlines = (LineInline, PaymentInline, ShipmentInline)
    actions = ("cancel",)

    @display(description="situação", ordering="status", label=LABELS)
    def situation(self, order: Order) -> str:
        return order.status

    @admin.display(description="linha do tempo")
    def story(self, order: Order) -> SafeString:
        return format_html(
            "<table><tr><th>quando</th><th>parte</th><th>o quê</th><th>detalhe</th></tr>{}</table>",
            format_html_join(
                "", "<tr><td>{:%d/%m/%Y %H:%M:%S}</td><td>{}</td><td>{}</td><td>{}</td></tr>", story_of(order)
            ),
        )

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("order.change_order")

    @admin.action(description="Cancelar e devolver o dinheiro", permissions=["cancel"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Order]) -> None:
        actor, reason = f"user:{request.user.pk}", "cancelado pela loja"
        for order in queryset:
            try:
                cancel_order(order_id=order.id, reason=reason, actor=actor, now=clock.now())
            except DomainError as error:
                self.message_user(request, f"{order.number}: {error}", messages.ERROR)
            else:
                self.message_user(request, f"{order.number}: cancelado.")


def story_of(order: Order) -> list[Entry]:
    """Return everything that happened to an order, oldest first; a fixed number of statements."""
    return sorted(_entries(order), key=lambda entry: entry[0])


def _entries(order: Order) -> Iterator[Entry]:
    for change in order.timeline.all():
        why = f"{change.actor} {change.reason}".strip()
        yield change.at, "pedido", f"{change.from_status} → {change.to_status}".strip(" →"), why
    for step in steps_of("order", subject=order.id):
        yield step.started_at, "saga", f"{step.saga_type}: {step.name} ({step.direction})", step.status
    ledger = LedgerEntry.objects.using("order").filter(attempt__order=order).select_related("attempt")
    for entry in ledger:
        yield entry.at, "dinheiro", entry.kind, f"{entry.amount} {entry.attempt.method}"
    for shipment in order.shipments.prefetch_related("events"):
        yield shipment.shipped_at, "envio", shipment.carrier, shipment.tracking_code
        for event in shipment.events.all():
            yield event.at, "rastreio", event.status, event.description
    attempts = [attempt.id for attempt in order.payments.all()]
    for webhook in WebhookEvent.objects.using("order").filter(attempt_id__in=attempts):
        yield webhook.received_at, "webhook", webhook.event_type, webhook.error


@admin.register(PaymentAttempt)
class PaymentAttemptAdmin(ReadOnly, ContextAdmin):
    list_display = ("id", "order", "method", "amount", "instalments", "status", "decline_code", "created_at")
    list_filter = ("status", "method", "gateway")
    list_select_related = ("order",)
    ordering = ("-created_at",)
    search_fields = ("gateway_id__exact", "order__number__exact")
    exclude = ("instrument",)


@admin.register(LedgerEntry)
class LedgerEntryAdmin(ReadOnly, ContextAdmin):
    list_display = ("at", "kind", "amount", "attempt", "reference")
    list_filter = ("kind",)
    list_select_related = ("attempt",)
    ordering = ("-at",)


@admin.register(Shipment)
class ShipmentAdmin(ReadOnly, ContextAdmin):
    list_display = ("tracking_code", "carrier", "order", "status", "shipped_at", "delivered_at")
    list_filter = ("status", "carrier")
    list_select_related = ("order",)
    ordering = ("-shipped_at",)
    search_fields = ("tracking_code__exact", "order__number__exact")


@admin.register(WebhookEvent)
class WebhookEventAdmin(ReadOnly, ContextAdmin):
    list_display = ("received_at", "gateway", "event_type", "gateway_id", "processed_at", "attempts", "error")
    list_filter = ("gateway", "event_type", ("processed_at", admin.EmptyFieldListFilter))
    ordering = ("-received_at",)
    search_fields = ("event_id__exact", "gateway_id__exact")


class RateInline(TabularInline):
    model = ShippingRate
    fields = ("state", "max_weight_grams", "price")
    extra = 1


@admin.register(ShippingMethod)
class ShippingMethodAdmin(ContextAdmin):
    list_display = ("code", "name", "carrier", "delivery_days", "active")
    ordering = ("code",)
    inlines = (RateInline,)


@admin.register(DailySales)
class DailySalesAdmin(ReadOnly, ContextAdmin):
    list_display: ClassVar[Any] = ("day", "orders", "pieces", "revenue", "cancelled_orders")
    ordering = ("-day",)
    date_hierarchy = "day"
