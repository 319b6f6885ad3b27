"""Parcels, how orders are sent, and what was sold."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from unfold.admin import TabularInline
from unfold.decorators import action, display
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from contexts.order.admin.pages import OrderPagesAdmin
from contexts.order.models import DailySales, Shipment, ShipmentStatus, ShippingMethod, ShippingRate
from contexts.order.usecases.fulfil import track_shipment
from ecommerce import clock
from ecommerce.admin import Coloured, ContextAdmin
from ecommerce.db.back_office import table, worked_out_once

PARCEL_COLOURS = {"delivered": "success", "returned": "danger"}


class TrackDialog(BaseDialogForm):
    status = forms.ChoiceField(label="Situação", choices=ShipmentStatus.choices, widget=UnfoldAdminSelectWidget)
    location = forms.CharField(label="Local", max_length=120, required=False, widget=UnfoldAdminTextInputWidget)


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
    def situation(self, shipment: Shipment) -> Coloured:
        return Coloured(shipment.status, shipment.get_status_display())

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
    list_display = ("day", "orders", "pieces", "revenue", "interest", "refunded", "cancelled_orders")
    ordering = ("-day",)
    date_hierarchy = "day"
