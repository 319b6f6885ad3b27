"""Asking gateways what they should have told us: webhooks get lost, and buyers look at their order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import structlog

from contexts.order.adapters import GatewayRefused
from contexts.order.domain import Method
from contexts.order.models import OPEN, PaymentAttempt, undertake_to_ask, undertake_to_ask_next
from contexts.order.usecases.pay import catch_up
from ecommerce.saga.definition import OutcomeUnknown

ASK_AFTER: Mapping[Method, timedelta] = {
    Method.PIX: timedelta(minutes=2),
    Method.CARD: timedelta(minutes=5),
    Method.DEBIT_CARD: timedelta(minutes=5),
    Method.VOUCHER: timedelta(minutes=30),
    Method.BOLETO: timedelta(hours=6),
}
"""How long a payment may be silent: of a Pix the buyer expects news at once, banks report boletos once a day."""
HELD = timedelta(minutes=30)
"""The same of money that is held on purpose until the parcel leaves: only its loss would be news."""
WATCHED = timedelta(seconds=15)
"""The shortest time between two questions about a Pix while somebody looks at its order."""

log = structlog.get_logger(__name__)


def ask_about_open_payments(*, now: datetime, limit: int = 100) -> int:
    """Ask about open payments of which nothing was heard for as long as their method allows; return how many.

    The longest silent first, at most ``limit`` of each method. Parallel runs ask about different ones. A gateway
    that is silent as well is left in peace until the next run.
    """
    asked = 0
    silent: set[str] = set()
    for method, patience in ASK_AFTER.items():
        for _ in range(limit):
            attempt_id = undertake_to_ask_next(
                method.value, before=now - patience, held_before=now - HELD, now=now, silent=silent
            )
            if attempt_id is None:
                break
            attempt = PaymentAttempt.objects.using("order").get(id=attempt_id)
            if _ask(attempt, now=now):
                asked += 1
            else:
                silent.add(attempt.gateway)
    return asked


def look_again(*, payments: Sequence[PaymentAttempt], now: datetime) -> bool:
    """Ask about each open Pix of an order that somebody looks at, at most every 15 seconds; tell whether one was.

    Somebody who looks at the same moment does not ask too. The answer wakes the order's saga, which a worker goes on
    with. Without an answer nothing changes.
    """
    asked = False
    for attempt in payments:
        is_waited_for = attempt.method == Method.PIX and attempt.status in OPEN
        if is_waited_for and undertake_to_ask(attempt.id, before=now - WATCHED, now=now):
            asked = _ask(attempt, now=now) or asked
    return asked


def _ask(attempt: PaymentAttempt, *, now: datetime) -> bool:
    """Ask about one payment; return False if the gateway is silent."""
    try:
        catch_up(attempt=attempt, now=now)
    except OutcomeUnknown as silence:
        log.warning("gateway_silent", gateway=attempt.gateway, error=str(silence))
        return False
    except GatewayRefused as refused:
        log.error("payment_unknown_to_gateway", gateway=attempt.gateway, attempt=str(attempt.id), error=str(refused))
    return True
