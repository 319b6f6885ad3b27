"""Cases for the staff: money on which a gateway's books and ours do not agree, and news that nobody could take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connections, models
from django.db.models import Q

from contexts.order.models.orders import CURRENCY
from contexts.order.models.payments import PaymentAttempt
from ecommerce import codec
from ecommerce.errors import Conflict
from ecommerce.ids import new_id
from ecommerce.money import Money

SIGHT = """
    INSERT INTO staff_cases AS known (id, kind, gateway, reference, attempt_id, facts, amount, currency, charged_at,
                                      status, first_seen_at, seen_at, resolved_by, note)
    SELECT found.*, 'suspected', %(now)s, %(now)s, '', ''
    FROM unnest(%(id)s::uuid[], %(kind)s::text[], %(gateway)s::text[], %(reference)s::text[], %(attempt_id)s::uuid[],
                %(facts)s::jsonb[], %(amount)s::numeric[], %(currency)s::text[], %(charged_at)s::timestamptz[])
        AS found (id, kind, gateway, reference, attempt_id, facts, amount, currency, charged_at)
    WHERE NOT EXISTS (
        SELECT FROM staff_cases AS settled
        WHERE settled.status = 'resolved' AND settled.kind = found.kind AND settled.gateway = found.gateway
          AND settled.reference = found.reference AND settled.facts = found.facts
    )
    ON CONFLICT (kind, gateway, reference) WHERE status IN ('suspected', 'open') DO UPDATE SET
        seen_at = EXCLUDED.seen_at, facts = EXCLUDED.facts, amount = EXCLUDED.amount,
        first_seen_at = CASE WHEN known.status = 'suspected' AND known.facts <> EXCLUDED.facts
                             THEN EXCLUDED.first_seen_at ELSE known.first_seen_at END,
        status = CASE WHEN known.facts = EXCLUDED.facts AND known.first_seen_at <= %(now)s - %(apart)s
                      THEN 'open' ELSE known.status END,
        opened_at = coalesce(known.opened_at, CASE WHEN known.facts = EXCLUDED.facts
                             AND known.first_seen_at <= %(now)s - %(apart)s THEN %(now)s END)
    RETURNING kind, reference, status, opened_at = %(now)s
"""
"""A difference is a suspicion at first, and a case when the same is seen again ``apart`` later. What a person has
settled does not come back, unless it changes. One statement for any number; each kind and reference once."""
FORGET = """
    DELETE FROM staff_cases
    WHERE status = 'suspected' AND gateway = %(gateway)s AND seen_at < %(now)s
      AND charged_at >= %(since)s AND charged_at < %(until)s
"""


Facts = dict[str, dict[str, str]]
"""What each side says: ``gateway`` and ``shop``."""


class CaseKind(models.TextChoices):
    CHARGE_UNKNOWN_TO_US = "charge_unknown_to_us", "cobrança que não conhecemos"
    CHARGE_UNKNOWN_TO_GATEWAY = "charge_unknown_to_gateway", "cobrança que o gateway não conhece"
    AMOUNT_DIFFERS = "amount_differs", "valor recebido difere"
    REFUND_DIFFERS = "refund_differs", "valor devolvido difere"
    WEBHOOK_GIVEN_UP = "webhook_given_up", "aviso que não foi processado"
    AUTHORIZATION_LOST = "authorization_lost", "autorização perdida"


class CaseStatus(models.TextChoices):
    SUSPECTED = "suspected", "em observação"
    OPEN = "open", "aberto"
    RESOLVED = "resolved", "resolvido"


class CaseNotOpen(Conflict):
    """Somebody has settled it before, or it is no case yet; ``status`` tells."""

    code = "case_not_open"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A difference between a gateway's books and ours. ``amount`` is theirs less ours."""

    kind: CaseKind
    gateway: str
    reference: str
    """The charge's id at the gateway."""
    attempt_id: UUID | None
    facts: Facts
    amount: Money
    charged_at: datetime


class Sighting(NamedTuple):
    finding: Finding
    is_open: bool
    """Whether it is a case; else it is a suspicion."""
    is_new: bool
    """Whether it became a case just now."""


class StaffCase(models.Model):
    """Something about money that a person must look at. Once resolved it does not change any more."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    kind = models.CharField("tipo", max_length=30, choices=CaseKind)
    gateway = models.CharField("gateway", max_length=20)
    reference = models.CharField("número no gateway", max_length=80)
    """The charge's id at the gateway, or the id of its webhook."""
    attempt = models.ForeignKey(
        PaymentAttempt, on_delete=models.PROTECT, null=True, related_name="cases", verbose_name="pagamento"
    )
    facts = models.JSONField("o que cada um diz")
    amount = models.DecimalField("diferença", max_digits=12, decimal_places=2, default=Decimal(0))
    """What the gateway says less what we say."""
    currency = models.CharField("moeda", max_length=3, default=CURRENCY)
    charged_at = models.DateTimeField("cobrado em", null=True, blank=True)
    status = models.CharField("situação", max_length=10, choices=CaseStatus, default=CaseStatus.SUSPECTED)
    first_seen_at = models.DateTimeField("visto primeiro em")
    seen_at = models.DateTimeField("visto por último em")
    opened_at = models.DateTimeField("aberto em", null=True, blank=True)
    resolved_at = models.DateTimeField("resolvido em", null=True, blank=True)
    resolved_by = models.CharField("resolvido por", max_length=80, blank=True, default="")
    note = models.TextField("nota", blank=True, default="")

    class Meta:
        db_table = "staff_cases"
        verbose_name = "caso"
        verbose_name_plural = "casos de pagamento"
        constraints = (
            models.CheckConstraint(condition=Q(kind__in=CaseKind.values), name="staff_cases_kind"),
            models.CheckConstraint(
                condition=Q(status=CaseStatus.SUSPECTED, opened_at__isnull=True, resolved_at__isnull=True)
                | Q(status=CaseStatus.OPEN, opened_at__isnull=False, resolved_at__isnull=True)
                | (
                    Q(status=CaseStatus.RESOLVED, opened_at__isnull=False, resolved_at__isnull=False)
                    & ~Q(resolved_by="")
                    & ~Q(note="")
                ),
                name="staff_cases_status",
            ),
            models.UniqueConstraint(
                fields=["kind", "gateway", "reference"],
                condition=Q(status__in=[CaseStatus.SUSPECTED, CaseStatus.OPEN]),
                name="staff_cases_once",
            ),
        )
        indexes = (
            models.Index(fields=["status", "opened_at", "id"], name="staff_cases_queue"),
            models.Index(fields=["gateway", "reference"], name="staff_cases_reference"),
        )

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.reference}"

    def resolve(self, *, note: str, actor: str, now: datetime) -> None:
        """Note how a person settled it.

        Raises:
            CaseNotOpen
        """
        if self.status != CaseStatus.OPEN:
            raise CaseNotOpen("Este caso não está aberto.", status=self.status)
        self.status = CaseStatus.RESOLVED
        self.note, self.resolved_by, self.resolved_at = note, actor, now

    @staticmethod
    def open_for(attempt: PaymentAttempt, *, kind: CaseKind, facts: Facts, amount: Money, now: datetime) -> None:
        """Open a case about a payment, in the caller's unit of work, unless the same is open. One statement."""
        case = StaffCase(
            kind=kind,
            gateway=attempt.gateway,
            reference=attempt.gateway_id,
            attempt=attempt,
            facts=facts,
            amount=amount.amount,
            currency=amount.currency,
            charged_at=attempt.created_at,
            status=CaseStatus.OPEN,
            first_seen_at=now,
            seen_at=now,
            opened_at=now,
        )
        StaffCase.objects.using("order").bulk_create([case], ignore_conflicts=True)

    @classmethod
    def sight(cls, findings: Sequence[Finding], *, apart: timedelta, now: datetime) -> list[Sighting]:
        """Keep what was found, in the caller's unit of work, each kind and reference once. One statement.

        What a person has settled is left out of the answer.
        """
        found = {(each.kind.value, each.reference): each for each in findings}
        if not found:
            return []
        once = found.values()
        values: dict[str, Any] = {
            "apart": apart,
            "now": now,
            "id": [new_id() for _ in once],
            "kind": [each.kind.value for each in once],
            "gateway": [each.gateway for each in once],
            "reference": [each.reference for each in once],
            "attempt_id": [each.attempt_id for each in once],
            "facts": [codec.encode(each.facts).decode() for each in once],
            "amount": [each.amount.amount for each in once],
            "currency": [each.amount.currency for each in once],
            "charged_at": [each.charged_at for each in once],
        }
        with connections["order"].cursor() as cursor:
            cursor.execute(SIGHT, values)
            rows = cursor.fetchall()
        return [
            Sighting(found[kind, reference], status == CaseStatus.OPEN, bool(is_new))
            for kind, reference, status, is_new in rows
        ]

    @classmethod
    def forget_suspicions(cls, *, gateway: str, since: datetime, until: datetime, now: datetime) -> None:
        """Drop what was suspected about the charges of a time, and was not seen ``now``."""
        with connections["order"].cursor() as cursor:
            cursor.execute(FORGET, {"gateway": gateway, "since": since, "until": until, "now": now})
