"""Payments: tries to get money, the money that moved, and what gateways tell."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connections, models
from django.db.models import Q

from contexts.order.domain import METHOD_LABELS
from contexts.order.models.orders import CURRENCY, Order, choices
from ecommerce import codec
from ecommerce.db import rows
from ecommerce.ids import new_id
from ecommerce.money import Money

LEARN = """
    UPDATE payment_attempts AS a
    SET status = %(status)s, gateway_id = coalesce(nullif(%(gateway_id)s, ''), a.gateway_id),
        decline_code = %(decline_code)s, client_data = a.client_data || %(client_data)s, updated_at = %(now)s
    FROM orders o
    WHERE a.id = %(id)s AND o.id = a.order_id
      AND array_position(%(progress)s::text[], a.status::text) <= array_position(%(progress)s::text[], %(status)s)
    RETURNING o.status
"""
BOOK = """
    INSERT INTO payment_ledger (id, attempt_id, kind, amount, reference, at)
    SELECT said.id, %(attempt)s, said.kind, said.total - booked.total, said.kind || 'd:' || said.total, %(now)s
    FROM (VALUES (%(capture_id)s::uuid, 'capture', %(captured)s::numeric),
                 (%(refund_id)s::uuid, 'refund', %(refunded)s::numeric)) AS said (id, kind, total)
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(amount), 0) AS total FROM payment_ledger
        WHERE attempt_id = %(attempt)s AND payment_ledger.kind = said.kind
    ) AS booked
    WHERE said.total > booked.total
    RETURNING kind
"""
"""Brings the ledger up to the gateway's totals; told the same twice, or late, it writes nothing. The attempt's row must
be locked by an earlier statement, so that this one sees what others have booked."""
CLAIM = """
    UPDATE payment_webhooks SET attempts = attempts + 1, due_at = %(due)s
    WHERE id IN (
        SELECT id FROM payment_webhooks WHERE processed_at IS NULL AND due_at <= %(now)s AND attempts < %(most)s
        ORDER BY due_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
    )
    RETURNING id
"""


class AttemptStatus(models.TextChoices):
    """In the order of progress: late news never takes an attempt back."""

    CREATED = "created", "criado"
    UNKNOWN = "unknown", "sem resposta"
    PENDING = "pending", "aguardando"
    REQUIRES_ACTION = "requires_action", "aguardando o banco"
    AUTHORIZED = "authorized", "autorizado"
    DECLINED = "declined", "recusado"
    EXPIRED = "expired", "vencido"
    VOIDED = "voided", "anulado"
    CAPTURED = "captured", "pago"
    REFUNDED = "refunded", "devolvido"


OPEN = frozenset({AttemptStatus.PENDING, AttemptStatus.REQUIRES_ACTION})
"""The buyer still has to do something."""
UNSENT = frozenset({AttemptStatus.CREATED, AttemptStatus.UNKNOWN})
"""We do not know of a charge at the gateway, though there may be one."""


class PaymentAttempt(models.Model):
    """One try to get one amount by one method. Its id is the idempotency key and the reference at the gateway."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="payments", verbose_name="pedido")
    position = models.PositiveSmallIntegerField("posição")
    gateway = models.CharField("gateway", max_length=20)
    method = models.CharField("meio", max_length=12, choices=choices(METHOD_LABELS))
    amount = models.DecimalField("valor", max_digits=12, decimal_places=2)
    currency = models.CharField("moeda", max_length=3, default=CURRENCY)
    interest = models.DecimalField("juros", max_digits=12, decimal_places=2, default=0, db_default=0)
    """What the buyer pays on top of ``amount`` for paying later. The order's total is without it."""
    instalments = models.PositiveSmallIntegerField("parcelas", default=1)
    instrument = models.JSONField("instrumento", default=dict)
    """The gateway's token of a card, or a voucher code; and where the buyer's browser returns to. No card number."""
    status = models.CharField("situação", max_length=16, choices=AttemptStatus, default=AttemptStatus.CREATED)
    gateway_id = models.CharField("número no gateway", max_length=80, blank=True, default="")
    client_data = models.JSONField("instruções", default=dict)
    decline_code = models.CharField("motivo da recusa", max_length=60, blank=True, default="")
    expires_at = models.DateTimeField("vence em")
    """When an unpaid payment lapses. No charge is begun any more after it."""
    created_at = models.DateTimeField("criado em")
    updated_at = models.DateTimeField("mudou em")
    asked_at = models.DateTimeField("consultado em", null=True, blank=True)
    """When somebody last undertook to ask the gateway, having heard nothing of it."""

    class Meta:
        db_table = "payment_attempts"
        verbose_name = "pagamento"
        constraints = (
            models.CheckConstraint(condition=Q(amount__gt=0), name="payment_attempts_amount"),
            models.CheckConstraint(condition=Q(interest__gte=0), name="payment_attempts_interest"),
            models.CheckConstraint(condition=Q(status__in=AttemptStatus.values), name="payment_attempts_status"),
            models.CheckConstraint(condition=Q(instalments__gte=1), name="payment_attempts_instalments"),
        )
        indexes = (
            models.Index(fields=["gateway", "gateway_id"], name="payment_attempts_gateway_id"),
            models.Index(
                fields=["method", "updated_at"],
                condition=Q(status__in=["unknown", "pending", "requires_action", "authorized"]),
                name="payment_attempts_open",
            ),
        )

    def __str__(self) -> str:
        return f"{self.get_method_display()} {self.amount} {self.get_status_display()}"

    @property
    def money(self) -> Money:
        """Its part of the order's total."""
        return Money(self.amount, self.currency)

    @property
    def charged(self) -> Money:
        """What the buyer pays by it: with the interest."""
        return Money(self.amount + self.interest, self.currency)

    def learn(
        self,
        *,
        status: str,
        gateway_id: str,
        decline_code: str,
        client_data: Mapping[str, str],
        captured: Money,
        refunded: Money,
        now: datetime,
    ) -> str | None:
        """Write down what the gateway says, in the caller's unit of work: this row, and the money that moved.

        Idempotent and independent of order: late news changes nothing. Two statements when there is money, else one.
        Returns the order's status if money was booked that was not known before and has not gone back, else None.
        """
        with connections["order"].cursor() as cursor:
            cursor.execute(
                LEARN,
                {
                    "id": self.id, "status": status, "gateway_id": gateway_id, "decline_code": decline_code,
                    "client_data": codec.encode(client_data).decode(), "progress": AttemptStatus.values, "now": now,
                },
            )  # fmt: skip
            row = cursor.fetchone()
            if row is None:
                self.refresh_from_db(using="order", fields=["status", "decline_code"])
                return None
            self.status, self.decline_code, self.gateway_id = status, decline_code, gateway_id or self.gateway_id
            if not captured:
                return None
            cursor.execute(
                BOOK,
                {
                    "attempt": self.id, "captured": captured.amount, "refunded": refunded.amount, "now": now,
                    "capture_id": new_id(), "refund_id": new_id(),
                },
            )  # fmt: skip
            booked = {kind for (kind,) in cursor.fetchall()}
        return str(row[0]) if LedgerKind.CAPTURE in booked and refunded < captured else None

    def lose_sight(self, *, now: datetime) -> None:
        """Note that the gateway did not answer, unless more is known by now."""
        self._settle_unsent(AttemptStatus.UNKNOWN, now=now)

    def let_go(self, *, now: datetime) -> None:
        """Note that there was no charge, unless more is known by now."""
        self._settle_unsent(AttemptStatus.VOIDED, now=now)

    def _settle_unsent(self, status: AttemptStatus, *, now: datetime) -> None:
        unsent = PaymentAttempt.objects.using("order").filter(id=self.id, status__in=UNSENT)
        if unsent.update(status=status, updated_at=now):
            self.status = status


def payments_of(order_id: UUID) -> list[PaymentAttempt]:
    """Return the attempts to pay an order, in order, each with the order. One statement."""
    tail = "WHERE order_id = %s ORDER BY position"
    return rows.fetch(PaymentAttempt, tail, [order_id], using="order", related="order")


class LedgerKind(models.TextChoices):
    CAPTURE = "capture", "entrada"
    REFUND = "refund", "devolução"


class LedgerEntry(models.Model):
    """Money that moved. Append-only; what is captured or refunded is the sum of these, kept nowhere else."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    attempt = models.ForeignKey(
        PaymentAttempt, on_delete=models.PROTECT, related_name="ledger", verbose_name="pagamento"
    )
    kind = models.CharField("tipo", max_length=8, choices=LedgerKind)
    amount = models.DecimalField("valor", max_digits=12, decimal_places=2)
    reference = models.CharField("referência", max_length=80)
    at = models.DateTimeField("quando")

    class Meta:
        db_table = "payment_ledger"
        verbose_name = "lançamento"
        constraints = (
            models.UniqueConstraint(fields=["attempt", "kind", "reference"], name="payment_ledger_once"),
            models.CheckConstraint(condition=Q(amount__gt=0), name="payment_ledger_amount"),
        )
        indexes = (models.Index(fields=["-at", "-id"], name="payment_ledger_newest"),)

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.amount}"


class WebhookEvent(models.Model):
    """What a gateway told us, as it came, with a good signature. Processed later, the truth being asked for."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    gateway = models.CharField("gateway", max_length=20)
    event_id = models.CharField("número do aviso", max_length=80)
    event_type = models.CharField("aviso", max_length=60)
    gateway_id = models.CharField("número no gateway", max_length=80)
    attempt_id = models.UUIDField("pagamento", null=True)
    body = models.TextField("conteúdo")
    received_at = models.DateTimeField("recebido em")
    processed_at = models.DateTimeField("processado em", null=True, blank=True)
    due_at = models.DateTimeField("próxima tentativa")
    attempts = models.PositiveSmallIntegerField("tentativas", default=0)
    error = models.TextField("erro", blank=True, default="")

    class Meta:
        db_table = "payment_webhooks"
        verbose_name = "aviso de gateway"
        verbose_name_plural = "avisos de gateway"
        constraints = (models.UniqueConstraint(fields=["gateway", "event_id"], name="payment_webhooks_once"),)
        indexes = (
            models.Index(fields=["due_at"], condition=Q(processed_at__isnull=True), name="payment_webhooks_open"),
            models.Index(fields=["attempt_id"], name="payment_webhooks_attempt"),
            models.Index(fields=["-received_at", "-id"], name="payment_webhooks_newest"),
        )

    def __str__(self) -> str:
        return f"{self.gateway} {self.event_type}"

    @classmethod
    def claim(cls, *, now: datetime, lease: timedelta, most: int, limit: int) -> list[UUID]:
        """Take up to ``limit`` open webhooks that are due, for as long as ``lease``; return their ids.

        Parallel callers get different ones. Each attempt counts, and after ``most`` of them a webhook is left alone.
        """
        with connections["order"].cursor() as cursor:
            cursor.execute(CLAIM, {"now": now, "due": now + lease, "most": most, "limit": limit})
            return [id_ for (id_,) in cursor.fetchall()]
