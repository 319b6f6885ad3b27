"""Carts in the back office: to look at, never to edit, for their events are the truth."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import display

from contexts.cart.models import AbandonedCart, Cart, CartEvent
from contexts.cart.queries import recovered_revenue
from contexts.cart.serializers import event_body
from ecommerce.admin import Coloured, ContextAdmin
from ecommerce.clock import now

HISTORY = 200
"""The newest events that a cart's page shows."""


class ReadOnlyAdmin(ContextAdmin):
    """Shows rows and changes none."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Cart)
class CartAdmin(ReadOnlyAdmin):
    list_display = ("id", "situation", "customer_id", "email", "pieces", "total", "coupon_code", "last_activity_at")
    list_filter = ("status", "marketing_consent", ("abandoned_at", admin.EmptyFieldListFilter))
    ordering = ("-id",)
    search_fields = ("id",)
    search_help_text = "Número do carrinho, do cliente ou do pedido, ou o e-mail, por inteiro"
    fieldsets = (
        (None, {"fields": ("id", "status", "version", "lines_table", "total", "coupon_code")}),
        ("Quem", {"fields": ("customer_id", "email", "marketing_consent")}),
        ("Quando", {"fields": ("created_at", "last_activity_at", "abandoned_at")}),
        ("Depois", {"fields": ("converted_order_id", "merged_into_id")}),
        ("Histórico", {"fields": ("history",)}),
    )
    readonly_fields = ("lines_table", "total", "history")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Cart], search_term: str
    ) -> tuple[QuerySet[Cart], bool]:
        term = search_term.strip().lower()
        if not term:
            return queryset, False
        try:
            key = UUID(term)
        except ValueError:
            return queryset.filter(email=term), False
        return queryset.filter(Q(pk=key) | Q(customer_id=key) | Q(converted_order_id=key)), False

    @display(
        description="situação",
        ordering="status",
        label={"open": "info", "converted": "success", "expired": "warning", "merged": "primary"},
    )
    def situation(self, cart: Cart) -> Coloured:
        return Coloured(cart.status, cart.get_status_display())

    @admin.display(description="subtotal", ordering="subtotal_amount")
    def total(self, cart: Cart) -> str:
        return str(cart.subtotal)

    @admin.display(description="itens")
    def lines_table(self, cart: Cart) -> SafeString:
        return table(
            (f"{line.quantity} ×", line.sku, line.name, " / ".join(line.options.values()), line.unit_price, line.total)
            for line in cart.state.lines
        )

    @admin.display(description="eventos")
    def history(self, cart: Cart) -> SafeString:
        rows = CartEvent.objects.filter(cart_id=cart.pk).order_by("-version")[:HISTORY]
        return table((row.version, f"{row.at:%d/%m/%Y %H:%M:%S}", row.actor, row.type, shown(row)) for row in rows)


@admin.register(AbandonedCart)
class AbandonedCartAdmin(ReadOnlyAdmin):
    list_display = (
        "cart_id", "customer_id", "detected_at", "pieces", "subtotal_amount", "notified", "link_used_at",
        "recovered_at", "recovered_order_id", "recovered_amount",
    )  # fmt: skip
    list_filter = ("notified", ("recovered_at", admin.EmptyFieldListFilter), "detected_at")
    list_before_template = "cart/recovered_revenue.html"
    ordering = ("-detected_at", "-id")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        revenue = recovered_revenue(since=now() - timedelta(days=30))
        return super().changelist_view(request, {**(extra_context or {}), "revenue": revenue})


def shown(row: CartEvent) -> str:
    """Return the data of an event without its secrets, on one line."""
    data = event_body(row.recorded)["data"]
    return ", ".join(f"{name}: {value}" for name, value in data.items())


def table(rows: Any) -> SafeString:
    body = format_html_join(
        "",
        "<tr>{}</tr>",
        ((format_html_join("", '<td class="pr-4 py-1 align-top">{}</td>', ((cell,) for cell in row)),) for row in rows),
    )
    return format_html("<table>{}</table>", body)
