"""Webhooks of payment gateways: kept as they came, answered at once, and worked off later from what the gateway says
when it is asked."""

from __future__ import annotations

from datetime import datetime

import structlog
from django.db.models import F

from contexts.order.adapters import WebhookEvent as GatewayEvent
from contexts.order.models import Order, PaymentAttempt, WebhookEvent
from contexts.order.usecases.pay import refresh, refund_order
from ecommerce.saga import engine
from ecommerce.unit_of_work import unit_of_work

MAX_ATTEMPTS = 20

log = structlog.get_logger(__name__)


def store_webhook(*, gateway: str, event: GatewayEvent, body: bytes, now: datetime) -> bool:
    """Keep a webhook whose signature was verified; return False if it was here before. One transaction."""
    row = WebhookEvent(
        gateway=gateway,
        event_id=event.id,
        event_type=event.type,
        gateway_id=event.gateway_id,
        attempt_id=event.attempt_id,
        body=body.decode(),
        received_at=now,
    )
    with unit_of_work("order"):
        before = WebhookEvent.objects.using("order").filter(gateway=gateway, event_id=event.id).exists()
        WebhookEvent.objects.using("order").bulk_create([row], ignore_conflicts=True)
    return not before


def process_webhooks(*, now: datetime, limit: int = 200) -> int:
    """Work off the open webhooks, oldest first; return how many were looked at.

    Each is a hint only: the attempt's state is fetched from the gateway, so duplicates, late ones and wrong order do no
    harm. A webhook that fails stays open for the next run, at most twenty times. Parallel runs may both take one, which
    is harmless for the same reason.
    """
    open_events = WebhookEvent.objects.using("order").filter(processed_at__isnull=True, attempts__lt=MAX_ATTEMPTS)
    events = list(open_events.order_by("received_at")[:limit])
    for event in events:
        rows = WebhookEvent.objects.using("order").filter(id=event.id)
        try:
            _process(event, now=now)
        except Exception as error:
            log.exception("webhook_failed", gateway=event.gateway, event_id=event.event_id)
            rows.update(attempts=F("attempts") + 1, error=f"{type(error).__name__}: {error}")
        else:
            rows.update(processed_at=now, attempts=F("attempts") + 1, error="")
    return len(events)


def _process(event: WebhookEvent, *, now: datetime) -> None:
    """Bring the attempt up to date and wake its order's saga; money for an order that is gone goes back."""
    attempts = PaymentAttempt.objects.using("order").filter(gateway=event.gateway)
    found = attempts.filter(id=event.attempt_id) if event.attempt_id else attempts.filter(gateway_id=event.gateway_id)
    attempt = found.first()
    if attempt is None:
        raise LookupError(f"no payment attempt for {event.gateway_id}")
    if not attempt.gateway_id:
        attempt.gateway_id = event.gateway_id
    refresh(attempt, now=now)
    order = Order.objects.using("order").get(id=attempt.order_id)
    if order.status in ("cancelled", "failed"):
        refund_order(order_id=order.id, reason=f"order {order.status}", now=now)
        return
    with unit_of_work("order") as work:
        engine.signal(work, "CREATE_ORDER", subject=order.id, now=now)
