"""Webhooks of payment gateways: kept as they came, answered at once, and worked off later from what the gateway says
when it is asked."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

import structlog
from django.db import connections

from contexts.order.adapters import WebhookEvent as GatewayEvent
from contexts.order.models import PaymentAttempt, WebhookEvent
from contexts.order.usecases.pay import catch_up
from ecommerce.ids import new_id
from ecommerce.saga.definition import OutcomeUnknown
from ecommerce.unit_of_work import unit_of_work

MAX_ATTEMPTS = 20
"""With pauses of up to an hour, a webhook is tried for more than half a day."""
LEASE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(hours=1)
LONGEST_SECONDS = 30.0
"""For one batch; well within the lease, so that nobody else begins what waits in it."""
SILENCE = timedelta(seconds=15)
"""How long the other webhooks of a gateway wait that does not answer."""

STORE = """
    INSERT INTO payment_webhooks (id, gateway, event_id, event_type, gateway_id, attempt_id, body, received_at, due_at,
                                  attempts, error)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, 0, '')
    ON CONFLICT (gateway, event_id) DO NOTHING
"""

log = structlog.get_logger(__name__)


def store_webhook(*, gateway: str, event: GatewayEvent, body: bytes, now: datetime) -> bool:
    """Keep a webhook whose signature was verified; return False if it was here before. One statement."""
    kept = (new_id(), gateway, event.id, event.type, event.gateway_id, event.attempt_id, body.decode(), now, now)
    with unit_of_work("order"), connections["order"].cursor() as cursor:
        cursor.execute(STORE, kept)
        stored: bool = cursor.rowcount == 1
    return stored


def process_webhooks(*, now: datetime, limit: int = 50) -> int:
    """Work off open webhooks, oldest first; return how many were looked at. Parallel runs take different ones.

    Each is a hint only: the attempt's state is fetched from the gateway, so duplicates, late ones and wrong order do no
    harm. A webhook that fails is tried again with a growing pause. Behind one that its gateway did not answer the
    others of that gateway wait untried, as do those that there is no time for.
    """
    claimed = WebhookEvent.claim(now=now, lease=LEASE, most=MAX_ATTEMPTS, limit=limit)
    events = WebhookEvent.objects.using("order").filter(id__in=claimed)
    ends, silent = time.monotonic() + LONGEST_SECONDS, set[str]()
    for event in events.order_by("received_at"):
        rows = WebhookEvent.objects.using("order").filter(id=event.id)
        if event.gateway in silent:
            rows.update(attempts=event.attempts - 1, due_at=now + SILENCE)
        elif time.monotonic() > ends:
            rows.update(attempts=event.attempts - 1, due_at=now)
        elif not (error := _failure_of(event, now=now)):
            rows.update(processed_at=now, error="")
        else:
            pause = min(timedelta(seconds=2**event.attempts), LONGEST_PAUSE)
            rows.update(due_at=now + pause, error=f"{type(error).__name__}: {error}")
            if isinstance(error, OutcomeUnknown):
                silent.add(event.gateway)
    return len(claimed)


def _failure_of(event: WebhookEvent, *, now: datetime) -> Exception | None:
    """Process a webhook; return what went wrong, if anything."""
    try:
        _process(event, now=now)
    except Exception as error:
        log.exception("webhook_failed", gateway=event.gateway, event_id=event.event_id, attempt=event.attempts)
        return error
    return None


def _process(event: WebhookEvent, *, now: datetime) -> None:
    attempts = PaymentAttempt.objects.using("order").filter(gateway=event.gateway)
    found = attempts.filter(id=event.attempt_id) if event.attempt_id else attempts.filter(gateway_id=event.gateway_id)
    attempt = found.first()
    if attempt is None:
        raise LookupError(f"no payment attempt for {event.gateway_id}")
    if not attempt.gateway_id:
        attempt.gateway_id = event.gateway_id
    catch_up(attempt=attempt, now=now)
