"""Orders: one timeline each, and what may be done with them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin
from django.db.models import F, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from unfold.admin import TabularInline
from unfold.decorators import action, display
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminTextInputWidget, UnfoldBooleanSwitchWidget

from contexts.order.admin.pages import OrderPagesAdmin
from contexts.order.admin.story import story_of
from contexts.order.models import Order, OrderLine, PaymentAttempt, Refund, Shipment
from contexts.order.usecases.cancel_order import cancel_order
from contexts.order.usecases.fulfil import ship_order
from contexts.order.usecases.refund import RefundRequest, refund_lines
from ecommerce.admin import Coloured
from ecommerce.db.back_office import ReadOnly, table, worked_out_once

ORDER_COLOURS = {
    "pending": "info", "awaiting_payment": "warning", "confirmed": "success", "partially_shipped": "primary",
    "shipped": "primary", "delivered": "success", "cancelled": "danger", "failed": "danger",
}  # fmt: skip


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
        lines = OrderLine.objects.using("order").filter(
            order_id=object_id, refunded_quantity__lt=F("quantity") - F("returning_quantity")
        )
        for line in lines.order_by("position"):
            left = line.refundable
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


class LineInline(ReadOnly, TabularInline):
    model = OrderLine
    fields = (
        "sku",
        "name",
        "quantity",
        "shipped_quantity",
        "refunded_quantity",
        "returning_quantity",
        "unit_price",
        "discount",
        "total",
    )
    ordering = ("position",)
    extra = 0


class PaymentInline(ReadOnly, TabularInline):
    model = PaymentAttempt
    fields = ("method", "amount", "interest", "instalments", "status", "decline_code", "gateway_id", "expires_at")
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
    def situation(self, order: Order) -> Coloured:
        return Coloured(order.status, order.get_status_display())

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
