"""Orders in the back office: one timeline per order; status and money change through use cases only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.db.models import F, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.safestring import SafeString
from unfold.admin import TabularInline
from unfold.decorators import action, display
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from contexts.order.models import (
    DailySales,
    LedgerEntry,
    Order,
    OrderLine,
    PaymentAttempt,
    Shipment,
    ShipmentStatus,
    ShippingMethod,
    ShippingRate,
    WebhookEvent,
)
from contexts.order.usecases.cancel_order import cancel_order
from contexts.order.usecases.fulfil import ship_order, track_shipment
from ecommerce import clock
from ecommerce.admin import ContextAdmin
from ecommerce.db.back_office import ReadOnly, table, worked_out_once
from ecommerce.errors import DomainError
from ecommerce.saga.history import steps_of

Entry = tuple[datetime, str, str, str]
"""When, which part, what, and what is to be said about it."""
MOST_WEBHOOKS = 200
ORDER_COLOURS = {
    "pending": "info", "awaiting_payment": "warning", "confirmed": "success", "partially_shipped": "primary",
    "shipped": "primary", "delivered": "success", "cancelled": "danger", "failed": "danger",
}  # fmt: skip
PAYMENT_COLOURS = {
    "created": "info", "unknown": "warning", "pending": "info", "requires_action": "info", "authorized": "primary",
    "declined": "danger", "expired": "danger", "voided": "warning", "captured": "success", "refunded": "warning",
}  # fmt: skip
PARCEL_COLOURS = {"delivered": "success", "returned": "danger"}


class CancelDialog(BaseDialogForm):
    reason = forms.CharField(label="Motivo", max_length=200, widget=UnfoldAdminTextInputWidget)


class ShipDialog(BaseDialogForm):
    """What goes into the parcel: at first all that is left of each line."""

    carrier = forms.CharField(label="Transportadora", max_length=60, widget=UnfoldAdminTextInputWidget)
    tracking_code = forms.CharField(label="Código de rastreio", max_length=80, widget=UnfoldAdminTextInputWidget)

    def __init__(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, object_id, *args, **kwargs)
        lines = OrderLine.objects.using("order").filter(order_id=object_id, shipped_quantity__lt=F("quantity"))
        for line in lines.order_by("position"):
            left = line.quantity - line.shipped_quantity
            self.fields[f"line-{line.id}"] = forms.IntegerField(
                label=f"{line.sku} – {line.name} (faltam {left})", min_value=0, max_value=left, initial=left,
                widget=UnfoldAdminIntegerFieldWidget,
            )  # fmt: skip

    @property
    def quantities(self) -> dict[UUID, int]:
        lines = ((name.partition("line-")[2], pieces) for name, pieces in self.cleaned_data.items())
        return {UUID(line): pieces for line, pieces in lines if line}


class TrackDialog(BaseDialogForm):
    status = forms.ChoiceField(label="Situação", choices=ShipmentStatus.choices, widget=UnfoldAdminSelectWidget)
    location = forms.CharField(label="Local", max_length=120, required=False, widget=UnfoldAdminTextInputWidget)


class OrderPagesAdmin(ReadOnly, ContextAdmin):
    """Shows rows; what may be done with them is done by a use case."""

    def run(
        self, request: HttpRequest, name: object, use_case: Callable[..., Any], *, done: str, **arguments: Any
    ) -> None:
        """Call a use case for the person who asks, and tell them what came of it."""
        try:
            use_case(**arguments, actor=f"user:{request.user.pk}", now=clock.now())
        except DomainError as refused:
            self.message_user(request, f"{name}: {refused.detail or refused.code}", messages.ERROR)
        else:
            self.message_user(request, f"{name}: {done}", messages.SUCCESS)

    def back_to(self, request: HttpRequest, object_id: object) -> HttpResponse:
        """Return to the page of a row, also from a dialog, which asks by htmx."""
        url = reverse(f"admin:order_{self.model._meta.model_name}_change", args=[object_id])
        if request.headers.get("HX-Request"):
            return HttpResponse(headers={"HX-Redirect": url})
        return HttpResponseRedirect(url)


class LineInline(ReadOnly, TabularInline):
    model = OrderLine
    fields = ("sku", "name", "quantity", "shipped_quantity", "unit_price", "discount", "total")
    ordering = ("position",)
    extra = 0


class PaymentInline(ReadOnly, TabularInline):
    model = PaymentAttempt
    fields = ("method", "amount", "interest", "instalments", "status", "decline_code", "gateway_id", "expires_at")
    ordering = ("position",)
    extra = 0
    show_change_link = True


class ShipmentInline(ReadOnly, TabularInline):
    model = Shipment
    fields = ("carrier", "tracking_code", "status", "shipped_at", "delivered_at")
    ordering = ("shipped_at",)
    extra = 0
    show_change_link = True


@admin.register(Order)
class OrderAdmin(OrderPagesAdmin):
    list_display = ("number", "situation", "email", "total", "placed_at", "confirmed_at")
    list_filter = ("status", ("placed_at", admin.DateFieldListFilter))
    ordering = ("-placed_at", "-id")
    search_fields = ("number__exact", "email__exact", "id__exact", "customer_id__exact", "cart_id__exact")
    search_help_text = "Número do pedido, e-mail, ou id do pedido, do cliente ou do carrinho, por inteiro"
    fieldsets = (
        (None, {"fields": (("number", "situation"), ("email", "customer_id"), ("placed_at", "cancel_reason"))}),
        ("Valores", {"fields": (("items_total", "discount_total"), ("shipping_total", "total"), "coupon_snapshot")}),
        ("Entrega", {"fields": ("address", "shipping_snapshot")}),
        ("O que aconteceu", {"fields": ("story", "failure")}),
    )
    readonly_fields = ("situation", "address", "story")
    inlines = (LineInline, PaymentInline, ShipmentInline)
    actions = ("cancel",)
    actions_detail = ("cancel_one", "ship")

    def has_cancel_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("order.change_order")

    def has_ship_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("order.add_shipment")

    @display(description="situação", ordering="status", label=ORDER_COLOURS)
    def situation(self, order: Order) -> tuple[str, str]:
        return order.status, order.get_status_display()

    @admin.display(description="endereço")
    def address(self, order: Order) -> str:
        """Without the payer's document, which nobody needs here."""
        return ", ".join(str(value) for name, value in order.address_snapshot.items() if value and name != "payer")

    @admin.display(description="linha do tempo")
    @worked_out_once
    def story(self, order: Order) -> SafeString:
        rows = ((f"{at:%d/%m/%Y %H:%M:%S}", part, what, detail) for at, part, what, detail in story_of(order))
        return table(rows, head=("quando", "parte", "o quê", "detalhe"))

    @action(description="Cancelar e devolver o dinheiro", permissions=["cancel"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Order]) -> None:
        for order in queryset.only("id", "number"):
            self._cancel(request, order.id, order.number, "cancelado pela loja")

    @action(
        description="Cancelar",
        permissions=["cancel"],
        url_path="cancel",
        icon="cancel",
        dialog={
            "title": "Cancelar o pedido",
            "description": "O dinheiro volta, o estoque e o cupom também. O cliente recebe o motivo.",
            "form_class": CancelDialog,
            "form_submit_text": "Cancelar o pedido",
        },
    )
    def cancel_one(self, request: HttpRequest, form: CancelDialog, object_id: str) -> HttpResponse:
        self._cancel(request, UUID(object_id), "Pedido", form.cleaned_data["reason"])
        return self.back_to(request, object_id)

    @action(
        description="Enviar",
        permissions=["ship"],
        url_path="ship",
        icon="local_shipping",
        dialog={
            "title": "Enviar um pacote",
            "description": "Só o que vai nele; o resto pode seguir depois.",
            "form_class": ShipDialog,
            "form_submit_text": "Enviar",
        },
    )
    def ship(self, request: HttpRequest, form: ShipDialog, object_id: str) -> HttpResponse:
        self.run(
            request,
            "Pacote",
            ship_order,
            done="enviado.",
            order_id=UUID(object_id),
            carrier=form.cleaned_data["carrier"],
            tracking_code=form.cleaned_data["tracking_code"],
            quantities=form.quantities,
        )
        return self.back_to(request, object_id)

    def _cancel(self, request: HttpRequest, order_id: UUID, name: str, reason: str) -> None:
        self.run(request, name, cancel_order, done="cancelado.", order_id=order_id, reason=reason)


def story_of(order: Order) -> list[Entry]:
    """Return everything that happened to an order, oldest first; a fixed number of statements."""
    return sorted(_entries(order), key=lambda entry: entry[0])


def _entries(order: Order) -> Iterator[Entry]:
    for change in order.timeline.order_by("version"):
        why = f"{change.actor} {change.reason}".strip()
        yield change.at, "pedido", f"{change.from_status} → {change.to_status}".strip(" →"), why
    for step in steps_of("order", subject=order.id):
        yield (
            step.started_at,
            "saga",
            f"{step.saga_type}: {step.name} ({step.direction})",
            _said(step.status, step.detail),
        )
    attempts = list(order.payments.all())
    for attempt in attempts:
        state = _said(attempt.get_status_display(), attempt.decline_code)
        yield attempt.updated_at, "pagamento", f"{attempt.get_method_display()} {attempt.money}", state
    for entry in LedgerEntry.objects.using("order").filter(attempt__order=order).select_related("attempt"):
        what = f"{entry.get_kind_display()} {entry.amount} {entry.attempt.currency}"
        yield entry.at, "dinheiro", what, entry.attempt.get_method_display()
    for shipment in order.shipments.prefetch_related("events"):
        yield shipment.shipped_at, "envio", shipment.carrier, shipment.tracking_code
        for event in shipment.events.all():
            where = _said(event.location, event.description)
            yield event.at, "rastreio", event.get_status_display(), _said(shipment.tracking_code, where)
    webhooks = WebhookEvent.objects.using("order").filter(attempt_id__in=[attempt.id for attempt in attempts])
    for webhook in webhooks.order_by("received_at")[:MOST_WEBHOOKS]:
        yield webhook.received_at, "aviso", webhook.event_type, webhook.error


def _said(*parts: str) -> str:
    return " – ".join(part for part in parts if part)


@admin.register(PaymentAttempt)
class PaymentAttemptAdmin(OrderPagesAdmin):
    list_display = ("created_at", "order", "method", "amount", "interest", "instalments", "situation", "decline_code")
    list_filter = ("status", "method")
    list_select_related = ("order",)
    ordering = ("-id",)
    search_fields = ("id__exact", "gateway_id__exact", "order__number__exact")
    search_help_text = "Id, número no gateway ou número do pedido, por inteiro"
    exclude = ("instrument", "status")
    readonly_fields = ("situation", "ledger")

    @display(description="situação", ordering="status", label=PAYMENT_COLOURS)
    def situation(self, attempt: PaymentAttempt) -> tuple[str, str]:
        return attempt.status, attempt.get_status_display()

    @admin.display(description="lançamentos")
    @worked_out_once
    def ledger(self, attempt: PaymentAttempt) -> SafeString:
        entries = attempt.ledger.order_by("at", "id")
        return table((f"{entry.at:%d/%m/%Y %H:%M:%S}", entry.get_kind_display(), entry.amount) for entry in entries)


@admin.register(LedgerEntry)
class LedgerEntryAdmin(OrderPagesAdmin):
    list_display = ("at", "kind", "amount", "attempt", "reference")
    list_filter = ("kind",)
    list_select_related = ("attempt",)
    ordering = ("-at", "-id")
    search_fields = ("attempt__id__exact", "attempt__order__number__exact")
    search_help_text = "Id do pagamento ou número do pedido, por inteiro"


@admin.register(Shipment)
class ShipmentAdmin(OrderPagesAdmin):
    list_display = ("tracking_code", "carrier", "order", "situation", "shipped_at", "delivered_at")
    list_filter = ("status",)
    list_select_related = ("order",)
    ordering = ("-shipped_at", "-id")
    search_fields = ("tracking_code__exact", "order__number__exact")
    search_help_text = "Código de rastreio ou número do pedido, por inteiro"
    fields = ("order", ("carrier", "tracking_code"), "situation", ("shipped_at", "delivered_at"), "contents", "events")
    readonly_fields = ("situation", "contents", "events")
    actions_detail = ("track",)

    def has_track_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("order.change_shipment")

    @display(description="situação", ordering="status", label=PARCEL_COLOURS)
    def situation(self, shipment: Shipment) -> tuple[str, str]:
        return shipment.status, shipment.get_status_display()

    @admin.display(description="conteúdo")
    @worked_out_once
    def contents(self, shipment: Shipment) -> SafeString:
        lines = shipment.lines.select_related("order_line").order_by("order_line__position")
        return table((f"{line.quantity} ×", line.order_line.sku, line.order_line.name) for line in lines)

    @admin.display(description="rastreio")
    @worked_out_once
    def events(self, shipment: Shipment) -> SafeString:
        rows = shipment.events.order_by("at")
        return table(
            (f"{row.at:%d/%m/%Y %H:%M}", row.get_status_display(), row.location, row.description) for row in rows
        )

    @action(
        description="Registrar evento",
        permissions=["track"],
        url_path="track",
        icon="location_on",
        dialog={
            "title": "Registrar um evento de rastreio",
            "description": "Com o horário de agora.",
            "form_class": TrackDialog,
            "form_submit_text": "Registrar",
        },
    )
    def track(self, request: HttpRequest, form: TrackDialog, object_id: str) -> HttpResponse:
        facts = {"status": form.cleaned_data["status"], "location": form.cleaned_data["location"], "description": ""}
        self.run(
            request, "Evento", track_shipment, done="registrado.", shipment_id=UUID(object_id), at=clock.now(), **facts
        )
        return self.back_to(request, object_id)


@admin.register(WebhookEvent)
class WebhookEventAdmin(OrderPagesAdmin):
    list_display = ("received_at", "gateway", "event_type", "gateway_id", "processed_at", "attempts", "problem")
    list_filter = (("processed_at", admin.EmptyFieldListFilter),)
    ordering = ("-received_at", "-id")
    search_fields = ("event_id__exact", "gateway_id__exact", "attempt_id__exact")
    search_help_text = "Número do aviso ou do pagamento no gateway, ou id do pagamento, por inteiro"

    @admin.display(description="erro")
    def problem(self, event: WebhookEvent) -> str:
        return event.error[:120]


class RateInline(TabularInline):
    model = ShippingRate
    fields = ("state", "max_weight_grams", "price")
    ordering = ("state", "max_weight_grams")
    extra = 0


@admin.register(ShippingMethod)
class ShippingMethodAdmin(ContextAdmin):
    list_display = ("code", "name", "carrier", "delivery_days", "active")
    ordering = ("code",)
    inlines = (RateInline,)


@admin.register(DailySales)
class DailySalesAdmin(OrderPagesAdmin):
    list_display = ("day", "orders", "pieces", "revenue", "cancelled_orders")
    ordering = ("-day",)
    date_hierarchy = "day"
