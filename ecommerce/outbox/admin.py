"""The outbox in the back office: what has not left yet, and what has, lately."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from unfold.contrib.filters.admin import TextFilter
from unfold.decorators import action, display

from ecommerce import clock, codec
from ecommerce.db.back_office import CONTEXT, PeriodFilter, ReasonDialog, SharedTableAdmin, context_of
from ecommerce.links import without_tokens
from ecommerce.outbox import staff
from ecommerce.outbox.models import ArchivedEvent, OutboxEvent

COLOURS = {"PENDING": "info", "BLOCKED": "warning", "PARKED": "danger"}
SHOWN = timedelta(days=7)
"""How far back published events are listed unless somebody asks for more: a few partitions of the archive."""


class EventAdmin(SharedTableAdmin):
    search_fields = ("event_id__exact", "aggregate_id__exact")
    search_help_text = "Id do evento ou do agregado, por inteiro"
    readonly_fields: tuple[str, ...] = ("content", "envelope")

    @admin.display(description="conteúdo")
    def content(self, event: OutboxEvent | ArchivedEvent) -> str:
        return without_tokens(codec.encode(event.payload).decode())

    @admin.display(description="envelope")
    def envelope(self, event: OutboxEvent | ArchivedEvent) -> str:
        return codec.encode(event.headers).decode()


@admin.register(OutboxEvent)
class OutboxEventAdmin(EventAdmin):
    list_display = (
        "id", "created_at", "event_type", "aggregate_id", "aggregate_version", "situation", "attempts", "available_at",
        "problem",
    )  # fmt: skip
    list_display_links = ("id", "event_type")
    list_filter = ("status",)
    ordering = ("id",)
    fields = (
        "event_id", "event_type", ("aggregate_type", "aggregate_id", "aggregate_version"), "partition_no", "status",
        ("attempts", "available_at"), "last_error", "origin", "created_at", "content", "envelope",
    )  # fmt: skip
    actions = ("retry",)
    actions_detail = ("discard",)

    def has_decide_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("outbox.change_outboxevent")

    @display(description="situação", ordering="status", label=COLOURS)
    def situation(self, event: OutboxEvent) -> tuple[str, str]:
        return event.status, event.get_status_display()

    @admin.display(description="último erro")
    def problem(self, event: OutboxEvent) -> str:
        return event.last_error[:120]

    @action(description="Tentar de novo", permissions=["decide"])
    def retry(self, request: HttpRequest, queryset: QuerySet[OutboxEvent]) -> None:
        rows = list(queryset.defer("payload", "headers"))
        retried = staff.retry(context_of(request).alias, [row.pk for row in rows])
        self.log_decision(request, [row for row in rows if row.pk in retried], "tentar de novo")
        self.message_user(request, f"{len(retried)} evento(s) na fila.", messages.SUCCESS)

    @action(
        description="Descartar",
        permissions=["decide"],
        url_path="discard",
        icon="delete",
        dialog={
            "title": "Descartar o evento",
            "description": "Ninguém saberá dele; os que esperam atrás dele seguem.",
            "form_class": ReasonDialog,
            "form_submit_text": "Descartar",
        },
    )
    def discard(self, request: HttpRequest, form: ReasonDialog, object_id: str) -> HttpResponse:
        event = self.get_object(request, object_id)
        if event is None:
            raise Http404
        reason, actor = form.cleaned_data["reason"], f"user:{request.user.pk}"
        if staff.discard(context_of(request).alias, event.pk, reason=reason, actor=actor):
            self.log_decision(request, [event], f"{event.event_id} {event}: descartado – {reason}")
            self.message_user(request, "O evento foi descartado.", messages.SUCCESS)
        else:
            self.message_user(request, "Só se descarta o que está parado à espera de uma pessoa.", messages.ERROR)
        return self.back_to(request)


class TypeFilter(TextFilter):
    title = "tipo do evento, por inteiro"
    parameter_name = "event_type"

    def queryset(self, request: HttpRequest, queryset: QuerySet[ArchivedEvent]) -> QuerySet[ArchivedEvent]:
        return queryset.filter(event_type=self.value()) if self.value() else queryset


@admin.register(ArchivedEvent)
class ArchivedEventAdmin(EventAdmin):
    list_display = ("published_at", "event_type", "aggregate_id", "aggregate_version", "created_at", "attempts")
    list_display_links = ("published_at", "event_type")
    list_filter = (TypeFilter, ("published_at", PeriodFilter))
    list_filter_submit = True
    ordering = ("-published_at", "-id")
    fields = (
        "event_id", "event_type", ("aggregate_type", "aggregate_id", "aggregate_version"), ("attempts", "origin"),
        ("created_at", "published_at"), "content", "envelope",
    )  # fmt: skip
    actions_list = ("replay_these",)
    actions_detail = ("replay_this",)

    def has_replay_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("inbox.replay_events")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ArchivedEvent]:
        rows: QuerySet[ArchivedEvent] = super().get_queryset(request)
        if request.GET.get("published_at_from_0"):  # whoever says from when decides how many partitions are read
            return rows
        return rows.filter(published_at__gte=clock.now() - SHOWN)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Let the link to a replay carry what the list is filtered by."""
        answer: HttpResponse = super().changelist_view(request, extra_context)
        for link in (getattr(answer, "context_data", None) or {}).get("actions_list", []):
            link["path"] += f"?{request.GET.urlencode()}"
        return answer

    @action(description="Reenviar a um manipulador", permissions=["replay"], url_path="replay", icon="replay")
    def replay_these(self, request: HttpRequest) -> HttpResponse:
        asked = request.GET
        since, until = (
            f"{asked.get(f'published_at_{end}_0', '')} {asked.get(f'published_at_{end}_1', '')}".strip()
            for end in ("from", "to")
        )
        return replay_form(
            context_of(request).name, type=asked.get("event_type", ""), aggregate=asked.get("q", ""), since=since,
            until=until,
        )  # fmt: skip

    @action(description="Reenviar a um manipulador", permissions=["replay"], url_path="replay-this", icon="replay")
    def replay_this(self, request: HttpRequest, object_id: str) -> HttpResponse:
        event = self.get_object(request, object_id)
        if event is None:
            raise Http404
        until = event.published_at + timedelta(seconds=1)
        return replay_form(
            context_of(request).name, type=event.event_type, aggregate=event.aggregate_id,
            since=event.published_at.isoformat(), until=until.isoformat(),
        )  # fmt: skip


def replay_form(publisher: str, **wanted: str) -> HttpResponse:
    """Lead to the form that asks for a replay, filled in with what is known."""
    query = {CONTEXT: publisher, **{name: value for name, value in wanted.items() if value}}
    return HttpResponseRedirect(f"{reverse('admin:inbox_replayrun_add')}?{urlencode(query)}")
