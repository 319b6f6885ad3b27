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
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import TabularInline
from unfold.decorators import action, display
from unfold.forms import BaseDialogForm
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from contexts.order.models import (
    CaseStatus,
    DailySales,
    LedgerEntry,
    Order,
    OrderLine,
    PaymentAttempt,
    Refund,
    RefundLine,
    Shipment,
    ShipmentStatus,
    ShippingMethod,
    ShippingRate,
    StaffCase,
    WebhookEvent,
)
from contexts.order.usecases.cancel_order import cancel_order
from contexts.order.usecases.cases import resolve_case
from contexts.order.usecases.fulfil import ship_order, track_shipment
from contexts.order.usecases.refund import RefundRequest, refund_lines
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
CASE_COLOURS = {"open": "danger", "resolved": "success"}
PARCEL_COLOURS = {"delivered": "success", "returned": "danger"}


class CancelDialog(BaseDialogForm):
    reason = forms.CharField(label="Motivo", max_length=200, widget=UnfoldAdminTextInputWidget)


class ShipDialog(BaseDialogForm):
    """What goes into the parcel: at first all that is left of each line."""

    carrier = forms.CharField(label="Transportadora", max_length=60, widget=UnfoldAdminTextInputWidget)
    tracking_code = forms.CharField(label="Código de rastreio", max_length=80, widget=UnfoldAdminTextInputWidget)

    def __init__(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, object_id, *args, **kwargs)
        lines = OrderLine.objects.using("order").filter(
            order_id=object_id, shipped_quantity__lt=F("quantity") - F("withdrawn_quantity")
        )
        for line in lines.order_by("position"):
            left = line.to_send
            self.fields[f"line-{line.id}"] = forms.IntegerField(
                label=f"{line.sku} – {line.name} (faltam {left})", min_value=0, max_value=left, initial=left,
                widget=UnfoldAdminIntegerFieldWidget,
            )  # fmt: skip

    @property
    def quantities(self) -> dict[UUID, int]:
        return pieces_by_line(self.cleaned_data)


class RefundDialog(BaseDialogForm):
    """How many pieces of each line go back: at first none."""

    reason = forms.CharField(label="Motivo", max_length=200, widget=UnfoldAdminTextInputWidget)
    freight = forms.BooleanField(
        label="Devolver a parte no frete", required=False, initial=True, widget=UnfoldBooleanSwitchWidget
    )
    restock = forms.BooleanField(
        label="As peças voltam ao estoque", required=False, initial=True, widget=UnfoldBooleanSwitchWidget
    )

    def __init__(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, object_id, *args, **kwargs)
        lines = OrderLine.objects.using("order").filter(order_id=object_id, refunded_quantity__lt=F("quantity"))
        for line in lines.order_by("position"):
            left = line.quantity - line.refunded_quantity
            self.fields[f"line-{line.id}"] = forms.IntegerField(
                label=f"{line.sku} – {line.name} (até {left})", min_value=0, max_value=left, initial=0,
                widget=UnfoldAdminIntegerFieldWidget,
            )  # fmt: skip

    @property
    def pieces(self) -> dict[UUID, int]:
        return {line: pieces for line, pieces in pieces_by_line(self.cleaned_data).items() if pieces}


def pieces_by_line(cleaned: dict[str, Any]) -> dict[UUID, int]:
    """Return how many pieces of each line a dialog says."""
    lines = ((name.partition("line-")[2], pieces) for name, pieces in cleaned.items())
    return {UUID(line): pieces for line, pieces in lines if line}


class TrackDialog(BaseDialogForm):
    status = forms.ChoiceField(label="Situação", choices=ShipmentStatus.choices, widget=UnfoldAdminSelectWidget)
    location = forms.CharField(label="Local", max_length=120, required=False, widget=UnfoldAdminTextInputWidget)


class ResolveDialog(BaseDialogForm):
    note = forms.CharField(label="O que foi feito", widget=UnfoldAdminTextareaWidget)


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
    fields = ("sku", "name", "quantity", "shipped_quantity", "refunded_quantity", "unit_price", "discount", "total")
    ordering = ("position",)
    extra = 0


class PaymentInline(ReadOnly, TabularInline):
    model = PaymentAttempt
    fields = ("method", "amount", "instalments", "status", "decline_code", "gateway_id", "expires_at")
    ordering = ("position",)
    extra = 0
    show_change_link = True


class RefundInline(ReadOnly, TabularInline):
    model = Refund
    fields = ("amount", "origin", "status", "reason", "actor", "requested_at", "done_at")
    ordering = ("requested_at",)
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
    inlines = (LineInline, PaymentInline, RefundInline, ShipmentInline)
    actions = ("cancel",)
    actions_detail = ("cancel_one", "refund", "ship")

    def has_cancel_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("order.change_order")

    def has_ship_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("order.add_shipment")

    def has_refund_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("order.add_refund")

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
        description="Devolver em parte",
        permissions=["refund"],
        url_path="refund",
        icon="currency_exchange",
        dialog={
            "title": "Devolver peças",
            "description": "O que foi pago por elas volta pelo mesmo meio. Para devolver tudo, cancele o pedido.",
            "form_class": RefundDialog,
            "form_submit_text": "Devolver",
        },
    )
    def refund(self, request: HttpRequest, form: RefundDialog, object_id: str) -> HttpResponse:
        asked = RefundRequest(
            order_id=UUID(object_id),
            pieces=form.pieces,
            freight=form.cleaned_data["freight"],
            restock=form.cleaned_data["restock"],
            reason=form.cleaned_data["reason"],
        )
        self.run(request, "Devolução", refund_lines, done="pedida.", wanted=asked, claim=None)
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
            _saga_link(step.saga_id),
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
    for refund in order.refunds.all():
        what = f"{refund.get_origin_display()} {refund.money}"
        yield refund.requested_at, "devolução", what, _said(refund.get_status_display(), refund.actor, refund.reason)
    for shipment in order.shipments.prefetch_related("events"):
        yield shipment.shipped_at, "envio", shipment.carrier, shipment.tracking_code
        for event in shipment.events.all():
            where = _said(event.location, event.description)
            yield event.at, "rastreio", event.get_status_display(), _said(shipment.tracking_code, where)
    webhooks = WebhookEvent.objects.using("order").filter(attempt_id__in=[attempt.id for attempt in attempts])
    for webhook in webhooks.order_by("received_at")[:MOST_WEBHOOKS]:
        yield webhook.received_at, "aviso", webhook.event_type, webhook.error


def _saga_link(saga_id: UUID) -> SafeString:
    """Return a link to the page that draws the saga."""
    page = reverse("admin:saga_sagainstance_change", args=[saga_id], query={"context": "order"})
    return format_html('<a class="text-primary-600 dark:text-primary-500 underline" href="{}">saga</a>', page)


def _said(*parts: str) -> str:
    return " – ".join(part for part in parts if part)


@admin.register(PaymentAttempt)
class PaymentAttemptAdmin(OrderPagesAdmin):
    list_display = ("created_at", "order", "method", "amount", "instalments", "situation", "decline_code")
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


@admin.register(Refund)
class RefundAdmin(OrderPagesAdmin):
    list_display = ("requested_at", "order", "amount", "origin", "status", "reason", "done_at")
    list_filter = ("status", "origin")
    list_select_related = ("order",)
    ordering = ("-requested_at", "-id")
    search_fields = ("id__exact", "order__number__exact")
    search_help_text = "Id da devolução ou número do pedido, por inteiro"
    readonly_fields = ("pieces", "payments")

    @admin.display(description="peças")
    @worked_out_once
    def pieces(self, refund: Refund) -> SafeString:
        lines = RefundLine.objects.using("order").filter(refund=refund).select_related("order_line")
        return table(
            (f"{line.quantity} ×", line.order_line.sku, line.order_line.name, line.amount, line.freight)
            for line in lines.order_by("order_line__position")
        )

    @admin.display(description="pagamentos")
    @worked_out_once
    def payments(self, refund: Refund) -> SafeString:
        shares = refund.shares.select_related("attempt").order_by("attempt__position")
        return table((share.attempt.get_method_display(), share.amount) for share in shares)


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


@admin.register(StaffCase)
class StaffCaseAdmin(OrderPagesAdmin):
    """The oldest open case first. What is only suspected is not shown: it goes away by itself, or becomes a case."""

    list_display = ("opened_at", "kind", "gateway", "reference", "order", "amount", "situation", "age")
    list_filter = ("status", "kind", "gateway")
    list_select_related = ("attempt__order",)
    ordering = ("status", "opened_at", "id")
    search_fields = ("reference__exact", "attempt__id__exact", "attempt__order__number__exact")
    search_help_text = "Número no gateway, id do pagamento ou número do pedido, por inteiro"
    fieldsets = (
        (None, {"fields": (("kind", "situation"), ("gateway", "reference"), ("attempt", "order"), "amount")}),
        ("O que cada um diz", {"fields": ("said",)}),
        ("Quando", {"fields": (("charged_at", "opened_at"), ("first_seen_at", "seen_at"))}),
        ("Solução", {"fields": (("resolved_at", "resolved_by"), "note")}),
    )
    readonly_fields = ("situation", "order", "said")
    actions_detail = ("resolve",)

    def has_resolve_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("order.change_staffcase")

    def get_queryset(self, request: HttpRequest) -> QuerySet[StaffCase]:
        cases: QuerySet[StaffCase] = super().get_queryset(request)
        return cases.exclude(status=CaseStatus.SUSPECTED)

    @display(description="situação", ordering="status", label=CASE_COLOURS)
    def situation(self, case: StaffCase) -> tuple[str, str]:
        return case.status, case.get_status_display()

    @admin.display(description="pedido")
    def order(self, case: StaffCase) -> str:
        return case.attempt.order.number if case.attempt else "–"

    @admin.display(description="espera há", ordering="opened_at")
    def age(self, case: StaffCase) -> str:
        if case.opened_at is None:
            return "–"
        waited = (case.resolved_at or clock.now()) - case.opened_at
        return f"{waited.days} d {waited.seconds // 3600} h"

    @admin.display(description="gateway e loja")
    @worked_out_once
    def said(self, case: StaffCase) -> SafeString:
        sides = {"gateway": "gateway", "shop": "loja"}
        rows = ((sides.get(side, side), *fact) for side, facts in case.facts.items() for fact in facts.items())
        return table(rows, head=("quem", "o quê", "valor"))

    @action(
        description="Resolver",
        permissions=["resolve"],
        url_path="resolve",
        icon="task_alt",
        dialog={
            "title": "Resolver o caso",
            "description": "Diga o que foi feito. Nenhum dinheiro se move por aqui; depois o caso não muda mais.",
            "form_class": ResolveDialog,
            "form_submit_text": "Resolver",
        },
    )
    def resolve(self, request: HttpRequest, form: ResolveDialog, object_id: str) -> HttpResponse:
        note = form.cleaned_data["note"]
        self.run(request, "Caso", resolve_case, done="resolvido.", case_id=UUID(object_id), note=note)
        return self.back_to(request, object_id)


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
