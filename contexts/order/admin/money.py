"""Payments, what moved, refunds, what gateways told, and the cases of differences."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from unfold.decorators import action, display
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminTextareaWidget

from contexts.order.admin.pages import OrderPagesAdmin
from contexts.order.models import CaseStatus, LedgerEntry, PaymentAttempt, Refund, RefundLine, StaffCase, WebhookEvent
from contexts.order.usecases.cases import resolve_case
from ecommerce import clock
from ecommerce.admin import Coloured
from ecommerce.db.back_office import table, worked_out_once

PAYMENT_COLOURS = {
    "created": "info", "unknown": "warning", "pending": "info", "requires_action": "info", "authorized": "primary",
    "declined": "danger", "expired": "danger", "voided": "warning", "captured": "success", "refunded": "warning",
}  # fmt: skip
CASE_COLOURS = {"open": "danger", "resolved": "success"}


class ResolveDialog(BaseDialogForm):
    note = forms.CharField(label="O que foi feito", widget=UnfoldAdminTextareaWidget)


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
    def situation(self, attempt: PaymentAttempt) -> Coloured:
        return Coloured(attempt.status, attempt.get_status_display())

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
        return table(
            ((share.attempt.get_method_display(), share.amount, share.interest) for share in shares),
            head=("meio", "valor", "dos quais juros"),
        )


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
    def situation(self, case: StaffCase) -> Coloured:
        return Coloured(case.status, case.get_status_display())

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
