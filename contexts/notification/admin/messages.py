"""The delivery log in the admin."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from unfold.admin import TabularInline
from unfold.decorators import action, display
from unfold.forms import BaseDialogForm

from contexts.notification import usecases
from contexts.notification.admin.pages import ReadOnlyAdmin, back_to, preview_page
from contexts.notification.models import DeliveryAttempt, Message
from ecommerce import codec
from ecommerce.admin import Coloured
from ecommerce.clock import now
from ecommerce.errors import DomainError
from ecommerce.links import without_tokens

STATUS_COLOURS = {"sent": "success", "queued": "info", "sending": "info", "failed": "danger", "suppressed": "warning"}


class AttemptInline(TabularInline):
    model = DeliveryAttempt
    fields = ("number", "at", "outcome", "error", "response", "duration_ms")
    readonly_fields = fields
    extra = 0
    can_delete = False
    per_page = 20

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Message)
class MessageAdmin(ReadOnlyAdmin):
    """Addresses are masked in the list; a search needs the whole address, the order's id or the event's id."""

    list_display = ("created_at", "kind", "channel", "to", "state", "reason", "attempts", "sent_at")
    list_display_links = ("created_at", "kind")
    list_filter = ("status", "channel", "kind", "category")
    search_fields = ("recipient__exact", "about__exact")
    search_help_text = "Endereço completo ou id do pedido"
    ordering = ("-id",)
    inlines = (AttemptInline,)
    actions = ("resend",)
    actions_detail = ("look", "resend_one")
    fieldsets = (
        (None, {"fields": ("kind", "category", "channel", "locale", "recipient", "state", "reason", "subject")}),
        ("Envio", {"fields": ("attempts", "resends", "next_attempt_at", "last_error", "provider_id", "sent_at")}),
        ("Origem", {"fields": ("event_type", "event_id", "about", "template_version", "created_at", "facts")}),
    )
    readonly_fields = ("state", "facts")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Message]:
        rows: QuerySet[Message] = super().get_queryset(request)
        if request.resolver_match and str(request.resolver_match.url_name).endswith("_changelist"):
            return rows.defer("context", "body_text", "body_html")
        return rows.select_related("template_version")

    def has_resend_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("notification.change_message")

    @display(description="destinatário")
    def to(self, message: Message) -> str:
        return message.masked_recipient

    @display(description="situação", ordering="status", label=STATUS_COLOURS)
    def state(self, message: Message) -> Coloured:
        return Coloured(message.status, message.get_status_display())

    @display(description="dados")
    def facts(self, message: Message) -> str:
        return without_tokens(codec.encode(message.context).decode())

    @action(description="Enviar de novo", permissions=["resend"])
    def resend(self, request: HttpRequest, queryset: QuerySet[Message]) -> None:
        done = sum(self._resend(request, message_id) for message_id in queryset.values_list("id", flat=True))
        if done:
            self.message_user(request, f"{done} na fila de envio.", messages.SUCCESS)

    @action(
        description="Enviar de novo",
        permissions=["resend"],
        url_path="resend",
        icon="send",
        dialog={
            "title": "Enviar de novo",
            "description": "Com o texto que o modelo tem agora.",
            "form_class": BaseDialogForm,
            "form_submit_text": "Enviar",
        },
    )
    def resend_one(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        if self._resend(request, UUID(object_id)):
            self.message_user(request, "A mensagem está na fila de envio.", messages.SUCCESS)
        return back_to(request, Message, object_id)

    @action(description="Ver mensagem", permissions=["view"], url_path="look", icon="visibility")
    def look(self, request: HttpRequest, object_id: str) -> HttpResponse:
        message = self.get_object(request, object_id)
        if message is None:
            raise Http404
        return preview_page(
            self,
            request,
            title=str(message),
            subject=message.subject,
            text=without_tokens(message.body_text),
            html=without_tokens(message.body_html),
        )

    def _resend(self, request: HttpRequest, message_id: UUID) -> bool:
        try:
            usecases.resend_message(message_id=message_id, now=now())
        except DomainError as refused:
            self.message_user(request, f"{message_id}: {refused}", messages.ERROR)
            return False
        return True
