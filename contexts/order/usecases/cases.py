"""Cases for the staff: opened for webhooks that were given up, settled by a person, counted for whoever watches."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db.models import Count, Exists, OuterRef

from contexts.order.models import CaseKind, CaseStatus, PaymentAttempt, StaffCase, WebhookEvent
from contexts.order.usecases.receive_webhook import MAX_ATTEMPTS
from ecommerce.errors import Invalid, NotFound
from ecommerce.observability import metrics
from ecommerce.unit_of_work import unit_of_work

MOST = 500
"""Cases opened at once; the rest at the next time."""


class CaseNotFound(NotFound):
    code = "case_not_found"


class CaseNoteRequired(Invalid):
    """Say what was done, or why nothing will be."""

    code = "case_note_required"


def open_cases_of_webhooks(*, now: datetime) -> int:
    """Open a case for each webhook that failed as often as it may; return how many. Idempotent: one case each, ever."""
    known = StaffCase.objects.using("order").filter(
        kind=CaseKind.WEBHOOK_GIVEN_UP, gateway=OuterRef("gateway"), reference=OuterRef("event_id")
    )
    given_up = WebhookEvent.objects.using("order").filter(
        ~Exists(known), processed_at__isnull=True, attempts__gte=MAX_ATTEMPTS, due_at__lte=now
    )
    with unit_of_work("order"):
        webhooks = list(given_up.order_by("due_at")[:MOST])
        named = [webhook.attempt_id for webhook in webhooks if webhook.attempt_id]
        ours = set(PaymentAttempt.objects.using("order").filter(id__in=named).values_list("id", flat=True))
        cases = [_case_of(webhook, known=webhook.attempt_id in ours, now=now) for webhook in webhooks]
        StaffCase.objects.using("order").bulk_create(cases, ignore_conflicts=True)
    return len(cases)


def resolve_case(*, case_id: UUID, note: str, actor: str, now: datetime) -> None:
    """Settle a case, with what was done about it. No money moves.

    Raises:
        CaseNotFound, CaseNotOpen, CaseNoteRequired
    """
    if not note.strip():
        raise CaseNoteRequired("Diga o que foi feito.")
    with unit_of_work("order"):
        case = StaffCase.objects.using("order").select_for_update().filter(id=case_id).first()
        if case is None:
            raise CaseNotFound("Caso não encontrado.")
        case.resolve(note=note.strip(), actor=actor, now=now)
        case.save(using="order", update_fields=["status", "note", "resolved_by", "resolved_at"])
    show_open_cases()


def show_open_cases() -> dict[str, int]:
    """Let the metrics say how many cases of each kind are open, and return it. One statement."""
    kinds = StaffCase.objects.using("order").filter(status=CaseStatus.OPEN).values_list("kind")
    counts = dict.fromkeys(CaseKind.values, 0) | dict(kinds.annotate(count=Count("id")))
    for kind, count in counts.items():
        metrics.STAFF_CASES.labels("order", kind).set(count)
    return counts


def _case_of(webhook: WebhookEvent, *, known: bool, now: datetime) -> StaffCase:
    return StaffCase(
        kind=CaseKind.WEBHOOK_GIVEN_UP,
        gateway=webhook.gateway,
        reference=webhook.event_id,
        attempt_id=webhook.attempt_id if known else None,
        facts={
            "gateway": {"event": webhook.event_type, "charge": webhook.gateway_id},
            "shop": {"error": webhook.error},
        },
        charged_at=webhook.received_at,
        status=CaseStatus.OPEN,
        first_seen_at=now,
        seen_at=now,
        opened_at=now,
    )
