"""The delivery log: every message that was to be sent, what became of it, and every attempt."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any
from uuid import UUID

from django.db import connections, models
from django.db.models import Q

from contexts.notification.domain import (
    KINDS,
    LOCALES,
    Category,
    Channel,
    MessageKind,
    Reason,
    Recipient,
    masked,
    retry_delay,
)
from contexts.notification.models.templates import TemplateVersion
from ecommerce.db.plans import planned_each_time
from ecommerce.errors import Conflict
from ecommerce.ids import new_id
from ecommerce.observability import context as request_context


class MessageNotResendable(Conflict):
    """It is on its way already, or was held back by its recipient's wish. ``status`` and ``reason`` tell."""

    code = "message_not_resendable"


class Status(models.TextChoices):
    QUEUED = "queued", "na fila"
    SENDING = "sending", "enviando"
    SENT = "sent", "enviada"
    FAILED = "failed", "falhou"
    SUPPRESSED = "suppressed", "não enviada"


OPEN = (Status.QUEUED, Status.SENDING)
RESENDABLE_REASONS = (Reason.REPLAY, Reason.CHANNEL_NOT_CONFIGURED)


class MessageQuerySet(models.QuerySet["Message"]):
    def take_turns(self, keys: Sequence[str]) -> None:
        """Make transactions that count the messages of the same recipients wait for each other. One statement."""
        with connections[self.db].cursor() as cursor:
            cursor.execute(
                "SELECT count(pg_advisory_xact_lock(hashtextextended(key, 0))) FROM unnest(%s::text[]) AS key",
                [sorted(keys)],
            )

    def enqueue(self, messages: Sequence[Message]) -> None:
        """Insert messages; those that their event already led to are left alone. One statement per 500."""
        self.bulk_create(messages, batch_size=500, ignore_conflicts=True)

    def due_channels(self, *, now: datetime) -> list[Channel]:
        """Return the channels on which something is due. One statement: a look at the head of an index per channel."""
        with connections[self.db].cursor() as cursor:
            cursor.execute(
                """SELECT channel FROM unnest(%s::text[]) AS channels (channel) WHERE EXISTS (
                    SELECT FROM messages WHERE messages.channel = channels.channel
                    AND messages.status IN ('queued', 'sending') AND messages.next_attempt_at <= %s)""",
                [[channel.value for channel in Channel], now],
            )
            return [Channel(channel) for (channel,) in cursor.fetchall()]

    def claim(self, *, channel: str, now: datetime, lease: timedelta, size: int) -> list[Message]:
        """Take up to ``size`` due messages, oldest first, for as long as ``lease``. One statement.

        Rows another worker is claiming are skipped. Messages whose worker never reported back are due again after
        the lease. The attempt is counted here, so that a message that kills its worker runs out of attempts too.
        """
        statement = """
            WITH due AS (
                SELECT id FROM messages
                WHERE channel = %s AND status IN ('queued', 'sending') AND next_attempt_at <= %s
                ORDER BY next_attempt_at LIMIT %s FOR UPDATE SKIP LOCKED
            )
            UPDATE messages SET status = 'sending', attempts = attempts + 1, next_attempt_at = %s
            FROM due WHERE messages.id = due.id RETURNING messages.*
        """
        with planned_each_time(self.db):
            claimed = sorted(self.raw(statement, [channel, now, size, now + lease]), key=attrgetter("id"))
        for message in claimed:
            message.claimed = message.attempts
        return claimed

    def settle(self, messages: Collection[Message]) -> None:
        """Store what became of claimed messages, in one statement; a claim that somebody took over is left alone."""
        columns: list[list[Any]] = [[getattr(message, name) for message in messages] for name in SETTLED]
        with connections[self.db].cursor() as cursor:
            cursor.execute(
                SETTLE, [[message.id for message in messages], [message.claimed for message in messages], *columns]
            )

    def purge(self, *, before: datetime, size: int) -> int:
        """Delete up to ``size`` closed messages created before ``before``, with their attempts. Return how many."""
        ids = list(
            self.filter(created_at__lt=before)
            .exclude(status__in=OPEN)
            .order_by("id")
            .values_list("id", flat=True)[:size]
        )
        self.model.objects.filter(id__in=ids).delete()
        return len(ids)


SETTLED = {
    "status": "text",
    "reason": "text",
    "attempts": "smallint",
    "next_attempt_at": "timestamptz",
    "last_error": "text",
    "provider_id": "text",
    "sent_at": "timestamptz",
    "template_version_id": "uuid",
    "subject": "text",
    "body_text": "text",
    "body_html": "text",
}
"""The columns a delivery may change, with their types."""

SETTLE = f"""
UPDATE messages SET {", ".join(f"{name} = outcome.{name}" for name in SETTLED)}
FROM unnest(%s::uuid[], %s::smallint[], {", ".join(f"%s::{type_}[]" for type_ in SETTLED.values())})
    AS outcome (id, claimed, {", ".join(SETTLED)})
WHERE messages.id = outcome.id AND messages.status = 'sending' AND messages.attempts = outcome.claimed
"""  # noqa: S608 - put together from constants


class Message(models.Model):
    """One message to one recipient on one channel, because of one event.

    ``context`` is the data its template is filled with. ``next_attempt_at`` is when a queued message is due, and when
    the lease of one being sent lapses. ``resends`` counts how often staff asked for it again.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    event_id = models.UUIDField("evento")
    event_type = models.CharField("tipo do evento", max_length=80)
    about = models.CharField("sobre", max_length=80, blank=True, db_index=True)
    """The aggregate its event was about, such as the order."""
    kind = models.CharField("ocasião", max_length=40, choices=[(kind.key, kind.label) for kind in KINDS.values()])
    category = models.CharField(
        "categoria", max_length=16, choices=[(category.value, category.value) for category in Category]
    )
    channel = models.CharField("canal", max_length=8, choices=[(channel.value, channel.value) for channel in Channel])
    locale = models.CharField("idioma", max_length=8, choices=[(locale, locale) for locale in LOCALES])
    recipient = models.CharField("destinatário", max_length=320, blank=True)
    recipient_key = models.CharField("chave do destinatário", max_length=80)
    context = models.JSONField("dados", default=dict)
    template_version = models.ForeignKey(
        TemplateVersion, verbose_name="versão do modelo", on_delete=models.PROTECT, null=True, blank=True
    )
    """What was sent; set beforehand only by a test that must use this version."""
    subject = models.TextField("assunto", blank=True)
    body_text = models.TextField("texto", blank=True)
    body_html = models.TextField("HTML", blank=True)
    status = models.CharField("situação", max_length=12, choices=Status.choices)
    reason = models.CharField("motivo", max_length=40, blank=True)
    attempts = models.PositiveSmallIntegerField("tentativas", default=0)
    resends = models.PositiveSmallIntegerField("reenvios", default=0)
    next_attempt_at = models.DateTimeField("próxima tentativa", null=True, blank=True)
    last_error = models.TextField("último erro", blank=True)
    provider_id = models.CharField("id no provedor", max_length=200, blank=True)
    correlation_id = models.CharField(max_length=64, blank=True, default="", db_default="")
    traceparent = models.CharField(max_length=55, blank=True, default="", db_default="")
    """The request and the span that queued it: its sending, later and elsewhere, belongs to them."""
    created_at = models.DateTimeField("criada em")
    sent_at = models.DateTimeField("enviada em", null=True, blank=True)

    claimed: int = 0
    """The attempt this process claimed; not stored."""

    objects = MessageQuerySet.as_manager()

    class Meta:
        db_table = "messages"
        verbose_name = "mensagem"
        verbose_name_plural = "mensagens"
        constraints = [
            models.UniqueConstraint(
                fields=["event_id", "recipient_key", "channel"], name="messages_one_per_event_and_recipient"
            ),
            models.CheckConstraint(condition=Q(status__in=Status.values), name="messages_status_known"),
            models.CheckConstraint(
                condition=Q(status__in=OPEN, next_attempt_at__isnull=False)
                | (~Q(status__in=OPEN) & Q(next_attempt_at__isnull=True)),
                name="messages_open_ones_are_due",
            ),
            models.CheckConstraint(
                condition=Q(status=Status.SENT, sent_at__isnull=False)
                | (~Q(status=Status.SENT) & Q(sent_at__isnull=True)),
                name="messages_sent_ones_have_a_time",
            ),
            models.CheckConstraint(
                condition=Q(status=Status.SUPPRESSED) & ~Q(reason="") | ~Q(status=Status.SUPPRESSED) & Q(reason=""),
                name="messages_suppressed_ones_have_a_reason",
            ),
        ]
        indexes = [
            models.Index(
                fields=["channel", "next_attempt_at"],
                name="messages_due",
                condition=Q(status__in=["queued", "sending"]),
            ),
            models.Index(fields=["recipient_key", "created_at"], name="messages_of_recipient"),
            models.Index(fields=["recipient"], name="messages_recipient"),
            models.Index(fields=["status", "id"], name="messages_status"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} · {self.masked_recipient}"

    @classmethod
    def prepared(
        cls,
        *,
        kind: MessageKind,
        channel: Channel,
        recipient: Recipient,
        event_id: UUID,
        event_type: str,
        about: str,
        context: dict[str, Any],
        reason: str,
        now: datetime,
    ) -> Message:
        """Return an unsaved message: due now, or suppressed when there is a ``reason``."""
        request = request_context.current()
        return cls(
            event_id=event_id,
            event_type=event_type,
            about=about,
            kind=kind.key,
            category=kind.category,
            channel=channel,
            locale=recipient.locale,
            recipient=recipient.address(channel),
            recipient_key=recipient.key,
            context={"name": recipient.name, **context},
            status=Status.SUPPRESSED if reason else Status.QUEUED,
            reason=reason,
            correlation_id=request.correlation_id,
            traceparent=request.traceparent,
            next_attempt_at=None if reason else now,
            created_at=now,
        )

    @property
    def masked_recipient(self) -> str:
        return masked(self.recipient)

    @property
    def reference(self) -> str:
        """What names this message to providers and receivers: the same over retries, another after a resend."""
        return f"{self.id}.{self.resends}"

    @property
    def resendable(self) -> bool:
        return self.status in (Status.SENT, Status.FAILED) or self.reason in RESENDABLE_REASONS

    def mark_sent(self, *, now: datetime, provider_id: str, version: TemplateVersion) -> None:
        self.status = Status.SENT
        self.sent_at = now
        self.next_attempt_at = None
        self.last_error = ""
        self.provider_id = provider_id
        self.template_version = version

    def mark_failed(self, *, now: datetime, error: str, final: bool, jitter: float) -> None:
        """Queue for another attempt with backoff; fail for good if ``final`` or none is left."""
        delay = None if final else retry_delay(self.attempts, jitter=jitter)
        self.status = Status.FAILED if delay is None else Status.QUEUED
        self.next_attempt_at = None if delay is None else now + delay
        self.last_error = error

    def postpone(self, *, now: datetime) -> None:
        """Give an unused claim back: due at once, without counting an attempt."""
        self.status = Status.QUEUED
        self.next_attempt_at = now
        self.attempts -= 1

    def suppress(self, reason: Reason) -> None:
        self.status = Status.SUPPRESSED
        self.reason = reason
        self.next_attempt_at = None

    def resend(self, *, now: datetime) -> None:
        """Queue again, with what its template says now. The caller holds this row's lock.

        Raises:
            MessageNotResendable: it is still open, or a wish of its recipient stands against it.
        """
        if not self.resendable:
            raise MessageNotResendable(
                "Esta mensagem não pode ser enviada de novo.", status=self.status, reason=self.reason
            )
        self.status = Status.QUEUED
        self.reason = ""
        self.attempts = 0
        self.resends += 1
        self.next_attempt_at = now
        self.sent_at = None
        self.template_version = None
        self.save()


class DeliveryAttempt(models.Model):
    """One call to a provider: appended, never changed."""

    class Outcome(models.TextChoices):
        SENT = "sent", "aceita"
        TEMPORARY = "temporary", "erro temporário"
        PERMANENT = "permanent", "recusada"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    message = models.ForeignKey(
        Message, verbose_name="mensagem", on_delete=models.CASCADE, related_name="delivery_attempts"
    )
    number = models.PositiveSmallIntegerField("número")
    at = models.DateTimeField("em")
    outcome = models.CharField("resultado", max_length=12, choices=Outcome.choices)
    error = models.TextField("erro", blank=True)
    response = models.TextField("resposta do provedor", blank=True)
    duration_ms = models.PositiveIntegerField("duração (ms)")

    class Meta:
        db_table = "delivery_attempts"
        verbose_name = "tentativa de envio"
        verbose_name_plural = "tentativas de envio"
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.number}: {self.outcome}"
