"""Sagas in the back office: what they did, and what a person can do for those that wait for one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from unfold.decorators import action, display
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

from ecommerce import clock, codec
from ecommerce.db.back_office import SharedTableAdmin, context_of, worked_out_once
from ecommerce.errors import DomainError
from ecommerce.saga import staff
from ecommerce.saga.definition import definition, definitions
from ecommerce.saga.history import LIMIT, past
from ecommerce.saga.models import SagaInstance, SagaStep
from ecommerce.saga.timeline import bars, pending

COLOURS = {
    "RUNNING": "info", "WAITING": "primary", "COMPENSATING": "warning", "COMPLETED": "success",
    "COMPENSATED": "warning", "PARKED": "danger",
}  # fmt: skip


class TypeFilter(admin.SimpleListFilter):
    """Offers the sagas that this process knows, without asking the table."""

    title = "saga"
    parameter_name = "saga_type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(saga.type, saga.type) for saga in definitions()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[SagaInstance]) -> QuerySet[SagaInstance]:
        return queryset.filter(saga_type=self.value()) if self.value() else queryset


class SettleDialog(BaseDialogForm):
    """Which of the parked steps, and why."""

    step = forms.ChoiceField(label="Passo", widget=UnfoldAdminSelectWidget)
    note = forms.CharField(label="O que foi feito, ou por quê", widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}))

    def __init__(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, object_id, *args, **kwargs)
        rows = SagaInstance.objects.using(context_of(request).alias).filter(id=object_id)
        parked = rows.values_list("parked", flat=True).first() or []
        self.fields["step"].choices = [(step, step) for step in parked]


@admin.register(SagaInstance)
class SagaInstanceAdmin(SharedTableAdmin):
    class Media:
        css: ClassVar = {"all": ("saga/timeline.css",)}

    list_display = ("created_at", "saga_type", "subject", "situation", "step", "failures", "due_at", "updated_at")
    list_display_links = ("created_at", "saga_type")
    list_filter = ("status", TypeFilter)
    ordering = ("-id",)
    search_fields = ("subject__exact", "id__exact")
    search_help_text = "Id do objeto (pedido) ou da saga, por inteiro"
    fieldsets = (
        (
            None,
            {"fields": (("saga_type", "definition_version"), "subject", ("status", "step"), "waiting")},
        ),
        ("Execução", {"fields": (("attempt", "failures", "crashes"), ("due_at", "lease_owner"), "reason")}),
        ("Quando", {"fields": (("created_at", "updated_at"), "asked_by")}),
        (None, {"fields": ("timeline",)}),
        ("Dados", {"fields": ("facts",), "classes": ["collapse"]}),
    )
    readonly_fields = ("step", "waiting", "reason", "timeline", "asked_by", "facts")
    actions = ("retry",)
    actions_detail = ("retry_one", "resolve", "skip")

    def has_decide_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("saga.change_sagainstance")

    def get_queryset(self, request: HttpRequest) -> QuerySet[SagaInstance]:
        rows = super().get_queryset(request)
        match = request.resolver_match
        return rows.defer("data") if match and str(match.url_name).endswith("_changelist") else rows

    @display(description="situação", ordering="status", label=COLOURS)
    def situation(self, saga: SagaInstance) -> tuple[str, str]:
        return saga.status, saga.get_status_display()

    @admin.display(description="passo")
    def step(self, saga: SagaInstance) -> str:
        try:
            return definition(saga.saga_type, saga.definition_version).steps[saga.current_step].name
        except (LookupError, IndexError):
            return str(saga.current_step)

    @admin.display(description="esperam uma pessoa")
    def waiting(self, saga: SagaInstance) -> str:
        return ", ".join(saga.parked) or "–"

    @admin.display(description="por que voltou")
    def reason(self, saga: SagaInstance) -> str:
        return f"{saga.error['step']}: {saga.error['code']} – {saga.error['detail']}" if saga.error else "–"

    @admin.display(description="linha do tempo")
    @worked_out_once
    def timeline(self, saga: SagaInstance) -> SafeString:
        rows = SagaStep.objects.using(saga._state.db).filter(saga_id=saga.pk).select_related("saga").order_by("-id")
        steps = [past(row) for row in reversed(list(rows[:LIMIT]))]
        context: dict[str, Any] = {"bars": bars(steps)}
        if steps and saga.due_at and not saga.lease_owner:
            context["pending"] = pending(steps[-1], saga.due_at)
        return render_to_string("saga/timeline.html", context)

    @admin.display(description="pedido por")
    def asked_by(self, saga: SagaInstance) -> str:
        """The request that started it, by the ids under which logs and events have it."""
        facts = (saga.origin.get("actor"), saga.origin.get("correlation_id"))
        return " · ".join(fact for fact in facts if fact) or "–"

    @admin.display(description="o que os passos sabem")
    def facts(self, saga: SagaInstance) -> str:
        return codec.encode(saga.data).decode()

    @action(description="Tentar de novo", permissions=["decide"])
    def retry(self, request: HttpRequest, queryset: QuerySet[SagaInstance]) -> None:
        done = sum(self._decide(request, saga.pk, staff.retry) for saga in queryset.only("id"))
        if done:
            self.message_user(request, f"{done} na fila.", messages.SUCCESS)

    @action(
        description="Tentar de novo",
        permissions=["decide"],
        url_path="retry",
        icon="replay",
        dialog={
            "title": "Tentar de novo",
            "description": "Os passos parados são tentados outra vez, todos.",
            "form_class": BaseDialogForm,
            "form_submit_text": "Tentar",
        },
    )
    def retry_one(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        if self._decide(request, UUID(object_id), staff.retry):
            self.message_user(request, "A saga está na fila.", messages.SUCCESS)
        return self.back_to(request, object_id)

    @action(
        description="Já resolvi",
        permissions=["decide"],
        url_path="resolve",
        icon="task_alt",
        dialog={
            "title": "O passo foi feito à mão",
            "description": "A saga segue como se ele tivesse dado certo.",
            "form_class": SettleDialog,
            "form_submit_text": "Confirmar",
        },
    )
    def resolve(self, request: HttpRequest, form: SettleDialog, object_id: str) -> HttpResponse:
        return self._settle(request, form, object_id, staff.resolve)

    @action(
        description="Dispensar",
        permissions=["decide"],
        url_path="skip",
        icon="skip_next",
        dialog={
            "title": "Seguir sem o passo",
            "description": "Ele não foi feito e não será.",
            "form_class": SettleDialog,
            "form_submit_text": "Dispensar",
        },
    )
    def skip(self, request: HttpRequest, form: SettleDialog, object_id: str) -> HttpResponse:
        return self._settle(request, form, object_id, staff.skip)

    def _settle(
        self, request: HttpRequest, form: SettleDialog, object_id: str, decision: Callable[..., None]
    ) -> HttpResponse:
        facts = {"step": form.cleaned_data["step"], "note": form.cleaned_data["note"]}
        if self._decide(request, UUID(object_id), decision, **facts):
            self.message_user(request, "Anotado.", messages.SUCCESS)
        return self.back_to(request, object_id)

    def _decide(self, request: HttpRequest, saga_id: UUID, decision: Callable[..., None], **facts: str) -> bool:
        actor, context = f"user:{request.user.pk}", context_of(request).name
        try:
            decision(context, saga_id, **facts, actor=actor, now=clock.now())
        except DomainError as refused:
            self.message_user(request, f"{saga_id}: {refused.detail}", messages.ERROR)
            return False
        return True
