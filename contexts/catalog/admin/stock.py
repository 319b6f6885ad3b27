"""Stock, its ledger and its reservations."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import F, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from unfold.admin import TabularInline
from unfold.decorators import display

from contexts.catalog.admin.pages import CatalogAdmin, ReadOnlyAdmin
from contexts.catalog.models import (
    MovementKind,
    Product,
    ReservationLine,
    ReservationStatus,
    Stock,
    StockMovement,
    StockReservation,
)
from contexts.catalog.usecases.reservations import release_stock
from contexts.catalog.usecases.stock import STAFF_KINDS, StockEntry, record_stock_in
from ecommerce import clock
from ecommerce.admin import Coloured

LAST_MOVEMENTS = 30


class ShortageFilter(admin.SimpleListFilter):
    title = "disponibilidade"
    parameter_name = "free"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("none", "Esgotados"), ("few", "Até 5 peças")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Stock]) -> QuerySet[Stock]:
        if self.value() == "none":
            return queryset.filter(on_hand=F("reserved"))
        return queryset.filter(on_hand__lte=F("reserved") + 5) if self.value() == "few" else queryset


@admin.register(Stock)
class StockAdmin(ReadOnlyAdmin):
    """Balances change by movements only: add one on the page of movements."""

    list_display: ClassVar[list[str]] = ["sku", "product", "on_hand", "reserved", "free"]
    list_select_related: ClassVar[list[str]] = ["variant__product"]
    list_filter: ClassVar[list[Any]] = [ShortageFilter]
    search_fields: ClassVar[list[str]] = ["variant__sku", "variant__product__name"]
    ordering: ClassVar[list[str]] = ["-variant_id"]
    fields: ClassVar[list[Any]] = [("sku", "product"), ("on_hand", "reserved", "free"), "movements"]
    readonly_fields: ClassVar[list[str]] = ["sku", "product", "free", "movements"]

    @admin.display(description="SKU", ordering="variant__sku")
    def sku(self, stock: Stock) -> str:
        return stock.variant.sku

    @admin.display(description="produto", ordering="variant__product__name")
    def product(self, stock: Stock) -> Product:
        return stock.variant.product

    @admin.display(description="livres")
    def free(self, stock: Stock) -> int:
        return stock.available

    @admin.display(description="últimos movimentos")
    def movements(self, stock: Stock) -> str:
        rows = StockMovement.objects.filter(variant_id=stock.pk).order_by("-id")[:LAST_MOVEMENTS]
        cells = (
            (f"{row.at:%d/%m/%Y %H:%M}", row.get_kind_display(), row.quantity, row.reason, row.reservation_id or "")
            for row in rows
        )
        line = "<tr>" + '<td class="pr-4 py-1">{}</td>' * 5 + "</tr>"
        return format_html("<table>{}</table>", format_html_join("", line, cells))


class MovementForm(ModelForm):  # type: ignore[type-arg]
    kind = forms.ChoiceField(label="tipo", choices=[(kind.value, kind.label) for kind in STAFF_KINDS])

    class Meta:
        model = StockMovement
        fields = ("variant", "kind", "quantity", "reason")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        quantity = cleaned.get("quantity", 1)
        if quantity == 0 or (quantity < 0 and cleaned.get("kind") != MovementKind.ADJUST):
            self.add_error("quantity", "Só um ajuste pode ser negativo, e nenhum movimento é zero.")
        return cleaned


@admin.register(StockMovement)
class StockMovementAdmin(CatalogAdmin):
    """The ledger is added to and never changed."""

    form = MovementForm
    list_display: ClassVar[list[str]] = ["at", "variant", "product", "kind", "quantity", "reason", "reservation_id"]
    list_select_related: ClassVar[list[str]] = ["variant__product"]
    list_filter: ClassVar[list[str]] = ["kind", "at"]
    search_fields: ClassVar[list[str]] = ["variant__sku", "=reservation_id"]
    ordering: ClassVar[list[str]] = ["-id"]
    autocomplete_fields: ClassVar[list[str]] = ["variant"]
    fields: ClassVar[list[Any]] = ["variant", ("kind", "quantity"), "reason"]

    @admin.display(description="produto")
    def product(self, movement: StockMovement) -> Product:
        return movement.variant.product

    def has_change_permission(self, request: HttpRequest, obj: StockMovement | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: StockMovement | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: StockMovement, form: Any, change: bool) -> None:
        entry = StockEntry(kind=MovementKind(obj.kind), quantity=obj.quantity, variant_id=obj.variant_id)
        record_stock_in(
            self.work(request), entries=[entry], reason=obj.reason, actor_id=request.user.pk, now=clock.now()
        )


class ReservationLineInline(TabularInline):
    model = ReservationLine
    extra = 0
    fields: ClassVar[list[str]] = ["variant", "quantity"]
    can_delete = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[ReservationLine]:
        queryset: QuerySet[ReservationLine] = super().get_queryset(request)
        return queryset.select_related("variant")


@admin.register(StockReservation)
class StockReservationAdmin(ReadOnlyAdmin):
    inlines: ClassVar[list[Any]] = [ReservationLineInline]
    list_display: ClassVar[list[str]] = ["id", "situation", "created_at", "expires_at", "closed_at"]
    list_filter: ClassVar[list[str]] = ["status"]
    search_fields: ClassVar[list[str]] = ["=id"]
    ordering: ClassVar[list[str]] = ["-created_at"]
    actions: ClassVar[list[str]] = ["release"]

    @display(
        description="situação",
        ordering="status",
        label={"held": "warning", "committed": "success", "released": "info", "returned": "danger"},
    )
    def situation(self, reservation: StockReservation) -> Coloured:
        return Coloured(reservation.status, reservation.get_status_display())

    @admin.action(description="Desfazer a reserva", permissions=["release"])
    def release(self, request: HttpRequest, queryset: QuerySet[StockReservation]) -> None:
        held = list(queryset.filter(status=ReservationStatus.HELD).values_list("id", flat=True))
        for reservation_id in held:
            release_stock(reservation_id=reservation_id, now=clock.now(), reason="desfeita no painel")
        messages.success(request, f"{len(held)} reserva(s) desfeita(s).")

    def has_release_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("catalog.change_stockreservation"))
