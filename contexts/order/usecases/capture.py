"""Taking what was only authorized, before goods leave the house."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from contexts.order import adapters
from contexts.order.adapters import GatewayRefused
from contexts.order.domain import PAID
from contexts.order.domain.money_flow import Balance
from contexts.order.models import AttemptStatus, PaymentAttempt, balances_of, payments_of
from contexts.order.usecases.pay import capture, void
from ecommerce.errors import Conflict, Unavailable
from ecommerce.money import Money, total
from ecommerce.saga.definition import OutcomeUnknown


class CaptureFailed(Conflict):
    """What was authorized is no longer held at the bank; ``missing`` is what the order lacks."""

    code = "capture_failed"


class PaymentUnclear(Unavailable):
    """The gateway did not answer. The same request may be made again."""

    code = "payment_unclear"


def capture_order(*, order_id: UUID, now: datetime) -> None:
    """Capture of a confirmed order's authorizations what it costs, and let go of what is beyond. Idempotent.

    Raises:
        CaptureFailed: what came in does not pay the order, be it that an authorization lapsed long ago.
        PaymentUnclear, GatewayUnavailable
    """
    attempts = payments_of(order_id)
    if not attempts or attempts[0].order.status not in PAID:
        return
    balances = balances_of(order_id)
    missing = attempts[0].order.due - total(balance.paid.part for balance in balances.values())
    why: GatewayRefused | None = None
    for attempt in attempts:
        if attempt.status != AttemptStatus.AUTHORIZED:
            continue
        try:
            missing -= _take(attempt, balances[attempt.id], missing, now=now)
        except GatewayRefused as refused:
            why = refused
        except OutcomeUnknown as unknown:
            raise PaymentUnclear("O gateway não respondeu. Tente de novo.") from unknown
    if missing.amount > 0:
        raise CaptureFailed("O banco não libera mais o valor autorizado.", missing=missing) from why


def _take(attempt: PaymentAttempt, balance: Balance, missing: Money, *, now: datetime) -> Money:
    """Capture what is missing with its interest, or all if the gateway cannot capture a part; return what of the order
    that pays."""
    authorized = balance.authorized
    if missing.amount <= 0:
        void(attempt=attempt, now=now)
        return Money(Decimal(0), authorized.currency)
    in_parts = adapters.gateway(attempt.gateway).capabilities.partial_capture
    amount = min(authorized, balance.price.paying(missing).whole) if in_parts else authorized
    capture(attempt=attempt, amount=amount, now=now)
    return attempt.balance.paid.part
