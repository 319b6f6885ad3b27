"""Payments: tries to get money, the money that moved, and what gateways tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connections, models
from django.db.models import Q

from contexts.order.domain import METHOD_LABELS
from contexts.order.domain.money_flow import Balance, Portion
from contexts.order.models.orders import CURRENCY, Order, choices
from ecommerce import codec
from ecommerce.db import rows
from ecommerce.ids import new_id
from ecommerce.money import Money

LEARN = """
    WITH owner AS MATERIALIZED (
        SELECT status FROM orders WHERE id = %(order)s FOR NO KEY UPDATE
    )
    UPDATE payment_attempts AS a
    SET status = %(status)s, gateway_id = coalesce(nullif(%(gateway_id)s, ''), a.gateway_id),
        decline_code = %(decline_code)s, client_data = a.client_data || %(client_data)s, updated_at = %(now)s
    FROM owner
    WHERE a.id = %(id)s
      AND array_position(%(progress)s::text[], a.status::text) <= array_position(%(progress)s::text[], %(status)s)
    RETURNING owner.status
"""
"""The order first, then its payment: whoever ends the order and whoever learns of money for it take turns, so that one
of them sees the other."""
SUMS = """
    SELECT coalesce(sum(amount) FILTER (WHERE kind = 'authorize'), 0) AS authorized,
           coalesce(sum(amount) FILTER (WHERE kind = 'release'), 0) AS released,
           coalesce(sum(amount) FILTER (WHERE kind = 'capture'), 0) AS captured,
           coalesce(sum(amount) FILTER (WHERE kind = 'refund'), 0) AS refunded
    FROM payment_ledger
"""
BOOK = f"""
    WITH booked AS ({SUMS} WHERE attempt_id = %(attempt)s),
    said (id, kind, total, known) AS (
        SELECT %(authorize_id)s::uuid, 'authorize', %(authorized)s::numeric, authorized FROM booked
        UNION ALL SELECT %(release_id)s, 'release',
                         CASE WHEN %(authorized)s > 0 THEN 0 ELSE greatest(authorized - %(captured)s, 0) END, released
                  FROM booked
        UNION ALL SELECT %(capture_id)s, 'capture', %(captured)s, captured FROM booked
        UNION ALL SELECT %(refund_id)s, 'refund', %(refunded)s, refunded FROM booked
    )
    INSERT INTO payment_ledger (id, attempt_id, kind, amount, reference, at)
    SELECT id, %(attempt)s, kind, total - known, kind || 'd:' || total, %(now)s FROM said WHERE total > known
    RETURNING kind
"""  # noqa: S608
"""Brings the ledger up to the gateway's totals; told the same twice, or late, it writes nothing. What was authorized
and is held no longer was captured or released. The attempt's row must be locked by an earlier statement, so that this
one sees what others have booked."""
BALANCES = f"""
    SELECT a.id, a.currency, a.amount, a.interest, greatest(l.authorized - l.released - l.captured, 0),
           l.captured, l.refunded
    FROM payment_attempts a CROSS JOIN LATERAL ({SUMS} WHERE attempt_id = a.id) AS l
    WHERE a.order_id = %s ORDER BY a.position
"""  # noqa: S608
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
LET_GO = frozenset({AttemptStatus.EXPIRED, AttemptStatus.VOIDED})
"""What may have been held is held no longer."""
UNSENT = frozenset({AttemptStatus.CREATED, AttemptStatus.UNKNOWN})
"""We do not know of a charge at the gateway, though there may be one."""


@dataclass(frozen=True)
class News:
    """What was learnt of a payment: the order's status, its row being locked, and the kinds of money newly booked."""

    order_status: str
    booked: frozenset[str]
    keeps_money: bool
    """Money came, or is held at the bank, that had not been known of, and it has not gone back."""


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
    captures_later = models.BooleanField("captura no envio", default=False, db_default=False)
    """Only authorized when the order is placed; captured before the first parcel leaves."""
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
        return self.price.whole

    @property
    def price(self) -> Portion:
        """What it is for: its part of the order's total, and the interest."""
        return Portion(part=self.money, interest=Money(self.interest, self.currency))

    balance = Balance()
    """What the gateway said last, or ``balances_of`` found; nothing as long as neither was asked."""

    def learn(
        self,
        *,
        status: str,
        gateway_id: str,
        decline_code: str,
        client_data: Mapping[str, str],
        balance: Balance,
        now: datetime,
    ) -> News | None:
        """Write down what the gateway says, in the caller's unit of work: this row, and the money that moved.

        Idempotent and independent of order: late news changes nothing, and None is returned. Two statements when there
        is money, else one.
        """
        with connections["order"].cursor() as cursor:
            cursor.execute(
                LEARN,
                {
                    "id": self.id, "order": self.order_id, "status": status, "gateway_id": gateway_id,
                    "decline_code": decline_code, "client_data": codec.encode(client_data).decode(),
                    "progress": AttemptStatus.values, "now": now,
                },
            )  # fmt: skip
            row = cursor.fetchone()
            if row is None:
                self.refresh_from_db(using="order", fields=["status", "decline_code"])
                self.balance = balances_of(self.order_id)[self.id]
                return None
            self.status, self.decline_code, self.gateway_id = status, decline_code, gateway_id or self.gateway_id
            self.balance = balance
            if not (balance.captured or balance.authorized or status in LET_GO):
                return News(str(row[0]), frozenset(), keeps_money=False)
            cursor.execute(
                BOOK,
                {
                    "attempt": self.id, "authorized": balance.authorized.amount, "captured": balance.captured.amount,
                    "refunded": balance.refunded.amount, "now": now, "authorize_id": new_id(), "release_id": new_id(),
                    "capture_id": new_id(), "refund_id": new_id(),
                },
            )  # fmt: skip
            booked = frozenset(kind for (kind,) in cursor.fetchall())
        came = bool(booked & {LedgerKind.AUTHORIZE, LedgerKind.CAPTURE})
        return News(str(row[0]), booked, keeps_money=came and balance.has_money)

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


def balances_of(order_id: UUID) -> dict[UUID, Balance]:
    """Return what the ledger of each of an order's payments comes to, in order. One statement."""
    with connections["order"].cursor() as cursor:
        cursor.execute(BALANCES, [order_id])
        return {
            attempt: Balance(
                authorized=Money(authorized, currency),
                captured=Money(captured, currency),
                refunded=Money(refunded, currency),
                price=Portion(part=Money(amount, currency), interest=Money(interest, currency)),
            )
            for attempt, currency, amount, interest, authorized, captured, refunded in cursor.fetchall()
        }


class LedgerKind(models.TextChoices):
    AUTHORIZE = "authorize", "autorização"
    RELEASE = "release", "autorização desfeita"
    CAPTURE = "capture", "entrada"
    REFUND = "refund", "devolução"


class LedgerEntry(models.Model):
    """Money that moved, or was promised and let go. Append-only, by a trigger; what is authorized, captured or refunded
    is the sum of these, kept nowhere else."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    attempt = models.ForeignKey(
        PaymentAttempt, on_delete=models.PROTECT, related_name="ledger", verbose_name="pagamento"
    )
    kind = models.CharField("tipo", max_length=12, choices=LedgerKind)
    amount = models.DecimalField("valor", max_digits=12, decimal_places=2)
    reference = models.CharField("referência", max_length=80)
    at = models.DateTimeField("quando")

    class Meta:
        db_table = "payment_ledger"
        verbose_name = "lançamento"
        constraints = (
            models.UniqueConstraint(fields=["attempt", "kind", "reference"], name="payment_ledger_once"),
            models.CheckConstraint(condition=Q(amount__gt=0), name="payment_ledger_amount"),
            models.CheckConstraint(condition=Q(kind__in=LedgerKind.values), name="payment_ledger_kind"),
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
