"""The inbox in the back office: messages that wait for a person, and replays."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from unfold.decorators import action, display

from ecommerce import clock, codec
from ecommerce.db.back_office import ReasonDialog, SharedTableAdmin, context_of
from ecommerce.inbox import runs, staff
from ecommerce.inbox.models import ParkedMessage, ReplayRun

COLOURS = {"RETRY": "warning", "PARKED": "danger"}
RUN_COLOURS = {"RUNNING": "info", "DONE": "success", "CANCELLED": "warning", "FAILED": "danger"}


@admin.register(ParkedMessage)
class ParkedMessageAdmin(SharedTableAdmin):
    list_display = (
        "id", "created_at", "consumer", "event_type", "partition_key", "situation", "attempts", "available_at",
        "problem",
    )  # fmt: skip
    list_display_links = ("id", "consumer")
    list_filter = ("status",)
    ordering = ("id",)
    search_fields = ("message_id__exact", "partition_key__exact")
    search_help_text = "Id do evento ou do agregado, por inteiro"
    fields = (
        ("consumer", "event_type"), ("message_id", "partition_key"), "status", ("attempts", "available_at"),
        "reason", "created_at", "body", "envelope",
    )  # fmt: skip
    readonly_fields = ("envelope",)
    actions = ("retry",)
    actions_detail = ("discard",)

    def has_decide_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("inbox.change_parkedmessage")

    @display(description="situação", ordering="status", label=COLOURS)
    def situation(self, message: ParkedMessage) -> tuple[str, str]:
        return message.status, message.get_status_display()

    @admin.display(description="motivo")
    def problem(self, message: ParkedMessage) -> str:
        return message.reason[:120]

    @admin.display(description="envelope")
    def envelope(self, message: ParkedMessage) -> str:
        return codec.encode(message.headers).decode()

    @action(description="Tentar de novo", permissions=["decide"])
    def retry(self, request: HttpRequest, queryset: QuerySet[ParkedMessage]) -> None:
        rows = list(queryset.defer("headers", "body"))
        retried = staff.retry(context_of(request).alias, [row.pk for row in rows], now=clock.now())
        if retried:
            self.log_decision(request, [row for row in rows if row.pk in retried], "tentar de novo")
            self.message_user(request, f"{len(retried)} mensagem(ns) na fila.", messages.SUCCESS)
        if left := len(rows) - len(retried):
            text = f"{left} mensagem(ns) ficam como estão: ilegíveis, ou de um tipo que este programa não conhece."
            self.message_user(request, text, messages.WARNING)

    @action(
        description="Descartar",
        permissions=["decide"],
        url_path="discard",
        icon="delete",
        dialog={
            "title": "Descartar a mensagem",
            "description": "O efeito dela não acontece mais; as que esperam atrás dela seguem.",
            "form_class": ReasonDialog,
            "form_submit_text": "Descartar",
        },
    )
    def discard(self, request: HttpRequest, form: ReasonDialog, object_id: str) -> HttpResponse:
        message = self.get_object(request, object_id)
        if message is None:
            raise Http404
        reason, context = form.cleaned_data["reason"], context_of(request)
        if staff.discard(context.alias, message.pk, reason=reason, actor=f"user:{request.user.pk}"):
            self.log_decision(request, [message], f"{message}: descartada – {reason}")
            self.message_user(request, "A mensagem foi descartada.", messages.SUCCESS)
        return self.back_to(request)


@admin.register(ReplayRun)
class ReplayRunAdmin(SharedTableAdmin):
    """The form that adds one stands at the address of this page's own (``config/urls.py``): it reads the archive of the
    publisher, of which an inbox knows nothing."""

    list_display = ("created_at", "publisher", "handler", "situation", "progress", "effects", "duplicates", "parked")
    list_display_links = ("created_at", "handler")
    list_filter = ("status",)
    ordering = ("-id",)
    fieldsets = (
        (None, {"fields": (("publisher", "handler"), "status", "progress", "error")}),
        ("Pedido", {"fields": ("types", ("since", "until"), "aggregate_id", "reason", "actor")}),
        ("Até aqui", {"fields": (("read", "handled", "ignored"), ("duplicates", "parked"))}),
        ("Quando", {"fields": (("created_at", "ended_at"),)}),
    )
    readonly_fields = ("progress",)
    actions_detail = ("cancel",)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("inbox.replay_events")

    def has_decide_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("inbox.replay_events")

    @display(description="situação", ordering="status", label=RUN_COLOURS)
    def situation(self, run: ReplayRun) -> tuple[str, str]:
        return run.status, run.get_status_display()

    @admin.display(description="lidos")
    def progress(self, run: ReplayRun) -> str:
        return f"{run.read} de {run.expected} previstos" if run.expected else str(run.read)

    @admin.display(description="efeitos")
    def effects(self, run: ReplayRun) -> int:
        return run.handled

    @action(
        description="Cancelar",
        permissions=["decide"],
        url_path="cancel",
        icon="cancel",
        dialog={
            "title": "Cancelar o reenvio",
            "description": "O que já teve efeito fica; o resto não é mais entregue.",
            "form_class": ReasonDialog,
            "form_submit_text": "Cancelar o reenvio",
        },
    )
    def cancel(self, request: HttpRequest, form: ReasonDialog, object_id: str) -> HttpResponse:
        run = self.get_object(request, object_id)
        if run is None:
            raise Http404
        reason, actor = form.cleaned_data["reason"], f"user:{request.user.pk}"
        if runs.cancel(context_of(request).alias, run.pk, reason=reason, actor=actor, now=clock.now()):
            self.log_decision(request, [run], f"{run}: reenvio cancelado – {reason}")
            self.message_user(request, "O reenvio foi cancelado.", messages.SUCCESS)
        else:
            self.message_user(request, "O reenvio já tinha terminado.", messages.ERROR)
        return self.back_to(request, object_id)
