"""Returns: what buyers want to give back, and what staff does about it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from unfold.decorators import action, display
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminTextareaWidget

from contexts.order.admin.orders import pieces_by_line
from contexts.order.admin.pages import OrderPagesAdmin
from contexts.order.models import ReturnLine, ReturnRequest
from contexts.order.usecases.returns import approve_return, receive_return, refund_return, refuse_return
from ecommerce.admin import Coloured
from ecommerce.db.back_office import table, worked_out_once

RETURN_COLOURS = {
    "requested": "warning", "approved": "info", "refused": "danger", "received": "primary", "refunded": "success",
    "closed": "success",
}  # fmt: skip


class AnswerDialog(BaseDialogForm):
    answer = forms.CharField(label="Resposta ao cliente", max_length=500, widget=UnfoldAdminTextareaWidget)


class ReceiveDialog(BaseDialogForm):
    """How many pieces of each line can be sold again: at first all of them."""

    def __init__(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, object_id, *args, **kwargs)
        lines = ReturnLine.objects.using("order").filter(request_id=UUID(object_id)).select_related("order_line")
        for line in lines.order_by("order_line__position"):
            self.fields[f"line-{line.order_line_id}"] = forms.IntegerField(
                label=f"{line.order_line.sku} – {line.order_line.name}: vendáveis, de {line.quantity}", min_value=0,
                max_value=line.quantity, initial=line.quantity, widget=UnfoldAdminIntegerFieldWidget,
            )  # fmt: skip


@admin.register(ReturnRequest)
class ReturnRequestAdmin(OrderPagesAdmin):
    list_display = ("requested_at", "order", "reason", "situation", "changed_at")
    list_filter = ("status", "reason")
    list_select_related = ("order",)
    ordering = ("-requested_at", "-id")
    search_fields = ("id__exact", "order__number__exact")
    search_help_text = "Id da devolução ou número do pedido, por inteiro"
    exclude = ("status",)
    readonly_fields = ("situation", "pieces")
    actions_detail = ("approve", "refuse", "receive", "refund")

    def has_decide_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("order.change_returnrequest")

    def has_refund_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("order.add_refund")

    @display(description="situação", ordering="status", label=RETURN_COLOURS)
    def situation(self, request: ReturnRequest) -> Coloured:
        return Coloured(request.status, request.get_status_display())

    @admin.display(description="peças")
    @worked_out_once
    def pieces(self, request: ReturnRequest) -> SafeString:
        lines = request.lines.select_related("order_line").order_by("order_line__position")
        return table(
            (
                (f"{line.quantity} ×", line.order_line.sku, line.order_line.name, line.sellable_quantity)
                for line in lines
            ),
            head=("", "SKU", "nome", "vendáveis"),
        )

    @action(
        description="Aceitar",
        permissions=["decide"],
        url_path="approve",
        icon="check",
        dialog={
            "title": "Aceitar a devolução",
            "description": "O cliente recebe a resposta: diga como enviar as peças.",
            "form_class": AnswerDialog,
            "form_submit_text": "Aceitar",
        },
    )
    def approve(self, request: HttpRequest, form: AnswerDialog, object_id: str) -> HttpResponse:
        answer = form.cleaned_data["answer"]
        self.run(request, "Devolução", approve_return, done="aceita.", return_id=UUID(object_id), answer=answer)
        return self.back_to(request, object_id)

    @action(
        description="Recusar",
        permissions=["decide"],
        url_path="refuse",
        icon="block",
        dialog={
            "title": "Recusar a devolução",
            "description": "O cliente recebe a resposta: diga por quê.",
            "form_class": AnswerDialog,
            "form_submit_text": "Recusar",
        },
    )
    def refuse(self, request: HttpRequest, form: AnswerDialog, object_id: str) -> HttpResponse:
        answer = form.cleaned_data["answer"]
        self.run(request, "Devolução", refuse_return, done="recusada.", return_id=UUID(object_id), answer=answer)
        return self.back_to(request, object_id)

    @action(
        description="Receber",
        permissions=["decide"],
        url_path="receive",
        icon="inventory",
        dialog={
            "title": "Receber as peças",
            "description": "As vendáveis voltam ao estoque. O dinheiro só volta com “Reembolsar”.",
            "form_class": ReceiveDialog,
            "form_submit_text": "Receber",
        },
    )
    def receive(self, request: HttpRequest, form: ReceiveDialog, object_id: str) -> HttpResponse:
        sellable = pieces_by_line(form.cleaned_data)
        self.run(request, "Devolução", receive_return, done="recebida.", return_id=UUID(object_id), sellable=sellable)
        return self.back_to(request, object_id)

    @action(
        description="Reembolsar",
        permissions=["refund"],
        url_path="refund",
        icon="currency_exchange",
        dialog={
            "title": "Reembolsar a devolução",
            "description": "O que foi pago pelas peças volta pelo mesmo meio; se nada foi pago, a devolução só é "
            "encerrada. Antes de elas chegarem, só se não vão voltar ao estoque: depois não há mais como recebê-las.",
            "form_class": BaseDialogForm,
            "form_submit_text": "Reembolsar",
        },
    )
    def refund(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        self.run(request, "Devolução", refund_return, done="concluída.", return_id=UUID(object_id))
        return self.back_to(request, object_id)
