"""What happened to an order, from everything that is kept of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from contexts.order.models import LedgerEntry, Order, WebhookEvent
from ecommerce.saga.history import steps_of

Entry = tuple[datetime, str, str, str]
"""When, which part, what, and what is to be said about it."""
MOST_WEBHOOKS = 200


def story_of(order: Order) -> list[Entry]:
    """Return everything that happened to an order, oldest first; a fixed number of statements."""
    return sorted(_entries(order), key=lambda entry: entry[0])


def _entries(order: Order) -> Iterator[Entry]:
    for change in order.timeline.order_by("version"):
        why = f"{change.actor} {change.reason}".strip()
        yield change.at, "pedido", f"{change.from_status} → {change.to_status}".strip(" →"), why
    for step in steps_of("order", subject=order.id):
        yield (
            step.started_at,
            _saga_link(step.saga_id),
            f"{step.saga_type}: {step.name} ({step.direction})",
            _said(step.status, step.detail),
        )
    attempts = list(order.payments.all())
    for attempt in attempts:
        state = _said(attempt.get_status_display(), attempt.decline_code)
        yield attempt.updated_at, "pagamento", f"{attempt.get_method_display()} {attempt.charged}", state
    for entry in LedgerEntry.objects.using("order").filter(attempt__order=order).select_related("attempt"):
        what = f"{entry.get_kind_display()} {entry.amount} {entry.attempt.currency}"
        yield entry.at, "dinheiro", what, entry.attempt.get_method_display()
    for refund in order.refunds.all():
        what = f"{refund.get_origin_display()} {refund.money}"
        yield refund.requested_at, "devolução", what, _said(refund.get_status_display(), refund.actor, refund.reason)
    for request in order.returns.all():
        what = f"{request.get_reason_display()} ({request.get_status_display()})"
        yield request.requested_at, "pedido de devolução", what, _said(request.note, request.answer)
    for shipment in order.shipments.prefetch_related("events"):
        yield shipment.shipped_at, "envio", shipment.carrier, shipment.tracking_code
        for event in shipment.events.all():
            where = _said(event.location, event.description)
            yield event.at, "rastreio", event.get_status_display(), _said(shipment.tracking_code, where)
    webhooks = WebhookEvent.objects.using("order").filter(attempt_id__in=[attempt.id for attempt in attempts])
    for webhook in webhooks.order_by("received_at")[:MOST_WEBHOOKS]:
        yield webhook.received_at, "aviso", webhook.event_type, webhook.error


def _saga_link(saga_id: UUID) -> SafeString:
    """Return a link to the page that draws the saga."""
    page = reverse("admin:saga_sagainstance_change", args=[saga_id], query={"context": "order"})
    return format_html('<a class="text-primary-600 dark:text-primary-500 underline" href="{}">saga</a>', page)


def _said(*parts: str) -> str:
    return " – ".join(part for part in parts if part)
