"""Payments: charging what an order's attempts ask for, and giving back or letting go what is not due."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from django.conf import settings

from contexts.order import adapters
from contexts.order.adapters import ChargeRequest, ChargeResult, GatewayRefused, PaymentGateway
from contexts.order.domain import PAYABLE, Method, Status
from contexts.order.models import OPEN, UNSENT, AttemptStatus, Order, PaymentAttempt, balances_of, payments_of
from contexts.order.usecases.payment_codes import PaymentCodeRefused, check_codes
from contexts.order.usecases.record import asking, count_change, look_up, record
from ecommerce.errors import Conflict, DomainError, Kind
from ecommerce.money import Money, total
from ecommerce.saga.definition import OutcomeUnknown

SETTLED_AFTER = timedelta(minutes=10)
"""A charge that the gateway still does not know so long after the last sign of it did not happen."""

UNPAID = OPEN | UNSENT
VOIDABLE = OPEN | {AttemptStatus.AUTHORIZED}
WITH_MONEY = frozenset({AttemptStatus.AUTHORIZED, AttemptStatus.CAPTURED, AttemptStatus.REFUNDED})


class PaymentDeclined(DomainError):
    """The gateway refused a payment; ``decline_code`` says why. Nothing is kept of the order's other payments."""

    code = "payment_declined"
    kind = Kind.PAYMENT_REQUIRED


class PaymentIncomplete(DomainError):
    """The gateway took less than it was asked for; ``captured`` is what it took. It goes back."""

    code = "payment_incomplete"
    kind = Kind.PAYMENT_REQUIRED


class PaymentExpired(Conflict):
    """The money did not come in time."""

    code = "payment_expired"


class OrderNotPayable(Conflict):
    """The order was cancelled while it was being paid, or waits for no money."""

    code = "order_not_payable"


@dataclass(frozen=True)
class Outlook:
    """How far an order's payments are; ``waits_until`` is set while money is still to come."""

    waits_until: datetime | None


def charge_order(*, order_id: UUID, now: datetime) -> Outlook:
    """Charge an order's payments, in order, until what is due is there. Repeat it as often as needed.

    Each attempt's id is its idempotency key at the gateway. An attempt whose outcome is unknown is looked up first. An
    attempt that failed does not matter as long as the others, paid or open, cover what is due.

    Raises:
        PaymentDeclined, PaymentIncomplete, PaymentExpired, OrderNotPayable
        PaymentCodeRefused: what the gateway gives to pay by is not what was asked for, and no other payment covers it.
        OutcomeUnknown: the gateway did not answer; the charge may have happened.
        GatewayUnavailable: the gateway surely did nothing.
    """
    attempts = _with_balances(order_id)
    for attempt in attempts:
        if attempt.order.status not in PAYABLE:
            raise not_payable(attempt.order)
        if _secured(attempts) >= attempt.order.due:
            break
        if _needs_asking(attempt, now):
            try:
                _bring_forward(attempt, now)
            except PaymentCodeRefused:
                if _to_come(attempts, now) < attempt.order.due and not _later(attempts, now):
                    raise
        if _to_come(attempts, now) < attempt.order.due:
            return _later(attempts, now) or _give_up(attempt, attempts, now)
    if not attempts or _secured(attempts) >= attempts[0].order.due:
        return Outlook(None)
    return Outlook(min(attempt.expires_at for attempt in attempts if _is_awaited(attempt, now)))


def charge_attempt(*, attempt: PaymentAttempt, now: datetime) -> None:
    """Charge one more payment of an order that waits for money, and wake its saga with the news.

    Raises:
        OutcomeUnknown, GatewayUnavailable: the saga will see to it.
        PaymentCodeRefused: it was let go, and the order waits on.
    """
    _charge(attempt, overdue=False, now=now, wake=True)


def catch_up(*, attempt: PaymentAttempt, now: datetime) -> None:
    """Ask the gateway how an attempt stands, and wake its order's saga with the news. Safe at any time.

    Raises:
        OutcomeUnknown: the gateway did not answer.
        GatewayRefused: it does not know the charge that we know it by.
    """
    found = look_up(attempt)
    if found is not None:
        _hear(attempt, found, now=now, wake=True)


def capture(*, attempt: PaymentAttempt, amount: Money, now: datetime) -> None:
    """Take an authorized amount, or a part of it. Repeat it as often as needed.

    Raises:
        GatewayRefused: it is no longer held; what became of it is written down.
        OutcomeUnknown, GatewayUnavailable
    """
    gateway = adapters.gateway(attempt.gateway)
    try:
        with asking():
            result = gateway.capture(attempt.gateway_id, uuid5(attempt.id, "capture"), amount)
    except GatewayRefused:
        if (found := look_up(attempt)) is None or not found.captured:
            if found is not None:
                record(attempt=attempt, result=found, now=now)
            raise
        result = found
    record(attempt=attempt, result=result, now=now)


def void(*, attempt: PaymentAttempt, now: datetime) -> None:
    """Let go of an authorization or an open payment. Money that came at that moment is written down.

    Raises:
        OutcomeUnknown, GatewayUnavailable, GatewayRefused
    """
    if (found := look_up(attempt)) is not None:
        record(attempt=attempt, result=_voided(attempt, found), now=now)


def refund_order(*, order_id: UUID, reason: str, now: datetime) -> None:
    """Give back everything that was captured for an order, and void what is still open. Repeat it as often as needed.

    The refund's id follows from what was refunded before, so that a repeated call refunds once. What can be given back
    is, whatever happens to the rest.

    Raises:
        OutcomeUnknown: the gateway did not answer, or a charge may still be on its way; call again.
        GatewayUnavailable
        GatewayRefused: a person must see to it.
    """
    problems: list[Exception] = []
    for attempt in payments_of(order_id):
        if attempt.status in (AttemptStatus.DECLINED, AttemptStatus.REFUNDED):
            continue
        try:
            _give_back(attempt, reason, now)
        except (OutcomeUnknown, DomainError) as problem:
            problems.append(problem)
    if problems:
        raise problems[0]


def close_payments(*, order_id: UUID, now: datetime) -> None:
    """Let the payments go that a paid order no longer waits for. Money that came after all is found to be a surplus.

    Raises:
        OutcomeUnknown, GatewayUnavailable, GatewayRefused: as for ``refund_order``.
    """
    for attempt in payments_of(order_id):
        if attempt.status not in UNPAID:
            continue
        found = look_up(attempt)
        if found is None:
            _forget(attempt, now)
        else:
            record(attempt=attempt, result=_voided(attempt, found), now=now)


def not_payable(order: Order) -> OrderNotPayable:
    """Return the error of whoever comes too late with money, or for it."""
    return OrderNotPayable("O pedido foi encerrado antes do pagamento.", status=order.status)


def _with_balances(order_id: UUID) -> list[PaymentAttempt]:
    """Return the order's attempts, each with what its ledger comes to. One statement while no money has moved."""
    attempts = payments_of(order_id)
    if any(attempt.status in WITH_MONEY for attempt in attempts):
        balances = balances_of(order_id)
        for attempt in attempts:
            attempt.balance = balances[attempt.id]
    return attempts


def _secured(attempts: Sequence[PaymentAttempt]) -> Money:
    return total(attempt.balance.secured for attempt in attempts)


def _is_awaited(attempt: PaymentAttempt, now: datetime) -> bool:
    return attempt.status in UNPAID and attempt.expires_at > now


def _to_come(attempts: Sequence[PaymentAttempt], now: datetime) -> Money:
    """Return what is there and what may still come."""
    awaited = total(attempt.money for attempt in attempts if _is_awaited(attempt, now))
    return _secured(attempts) + awaited


def _needs_asking(attempt: PaymentAttempt, now: datetime) -> bool:
    return (
        attempt.status in UNSENT
        or (attempt.status in OPEN and attempt.expires_at <= now)
        or (attempt.status == AttemptStatus.AUTHORIZED and not attempt.captures_later)
    )


def _bring_forward(attempt: PaymentAttempt, now: datetime) -> None:
    if attempt.status in UNSENT:
        _charge(attempt, overdue=attempt.expires_at <= now, now=now)
    elif attempt.status in OPEN and (found := look_up(attempt)):
        record(attempt=attempt, result=found, now=now)
    if attempt.status == AttemptStatus.AUTHORIZED and not attempt.captures_later:
        capture(attempt=attempt, amount=attempt.balance.authorized, now=now)


def _later(attempts: Sequence[PaymentAttempt], now: datetime) -> Outlook | None:
    """Return how long a buyer who waits may still come with another payment, if the shop gives them that time."""
    deadline = max(attempt.expires_at for attempt in attempts) + settings.PAYMENT_RETRY_WINDOW
    waits = attempts[0].order.status == Status.AWAITING_PAYMENT and settings.PAYMENT_RETRY_WINDOW
    return Outlook(deadline) if waits and now < deadline else None


def _give_up(attempt: PaymentAttempt, attempts: Sequence[PaymentAttempt], now: datetime) -> Outlook:
    """Say why the money does not come: by the payment at hand, if it failed, else by the last that did.

    Raises:
        PaymentDeclined, PaymentIncomplete, PaymentExpired
    """
    failed = [one for one in attempts if not _is_awaited(one, now) and one.balance.secured < one.money]
    why = attempt if attempt in failed else failed[-1]
    if why.status in UNPAID or why.status == AttemptStatus.EXPIRED:
        raise PaymentExpired("O pagamento não chegou a tempo.", method=why.method)
    if why.balance.captured:
        captured = why.balance.captured
        raise PaymentIncomplete("Só uma parte do valor foi cobrada.", captured=captured, method=why.method)
    raise PaymentDeclined("O pagamento foi recusado.", decline_code=why.decline_code, method=why.method)


def _charge(attempt: PaymentAttempt, *, overdue: bool, now: datetime, wake: bool = False) -> None:
    """Charge an attempt, unless it has been; when its time is over, only look whether it was.

    Raises:
        PaymentCodeRefused: what the gateway gave to pay by is not what was asked for. The charge is let go.
        OutcomeUnknown, GatewayUnavailable
    """
    result = look_up(attempt) if overdue or attempt.status == AttemptStatus.UNKNOWN else None
    if result is None and overdue:
        return
    if result is None:
        try:
            with asking():
                result = adapters.gateway(attempt.gateway).charge(_request(attempt))
        except OutcomeUnknown:
            before = attempt.status
            attempt.lose_sight(now=now)
            count_change(attempt=attempt, before=before)
            raise
    try:
        check_codes(attempt=attempt, client_data=result.client_data)
    except PaymentCodeRefused:
        record(attempt=attempt, result=_voided(attempt, result), now=now, wake=wake)
        raise
    _hear(attempt, result, now=now, wake=wake)


def _hear(attempt: PaymentAttempt, result: ChargeResult, *, now: datetime, wake: bool) -> None:
    """Write down how a charge stands. One that came to be after it was taken for none is let go at the gateway, too."""
    record(attempt=attempt, result=result, now=now, wake=wake)
    if attempt.status == AttemptStatus.VOIDED and result.status in VOIDABLE:
        record(attempt=attempt, result=_voided(attempt, result), now=now, wake=wake)


def _give_back(attempt: PaymentAttempt, reason: str, now: datetime) -> None:
    found = look_up(attempt)
    if found is None:
        _forget(attempt, now)
    else:
        record(attempt=attempt, result=_returned(attempt, found, reason), now=now)


def _forget(attempt: PaymentAttempt, now: datetime) -> None:
    """Note that there was no charge, once that is sure.

    Raises:
        OutcomeUnknown: it may still be on its way.
    """
    if attempt.status == AttemptStatus.UNKNOWN and now - attempt.updated_at < SETTLED_AFTER:
        raise OutcomeUnknown("the gateway does not know the charge yet")
    attempt.let_go(now=now)


def _returned(attempt: PaymentAttempt, found: ChargeResult, reason: str) -> ChargeResult:
    """Refund or void a charge. Should it change at that moment, it is looked at once more."""
    gateway = adapters.gateway(attempt.gateway)
    with asking():
        try:
            return _refunded_or_voided(gateway, attempt, found, reason)
        except GatewayRefused:
            again = look_up(attempt)
            if again is None or again == found:
                raise
            return _refunded_or_voided(gateway, attempt, again, reason)


def _refunded_or_voided(
    gateway: PaymentGateway, attempt: PaymentAttempt, found: ChargeResult, reason: str
) -> ChargeResult:
    left = found.captured - found.refunded
    if left:
        return gateway.refund(found.gateway_id, uuid5(attempt.id, f"refund after {found.refunded}"), left, reason)
    if found.status in VOIDABLE:
        return gateway.void(found.gateway_id)
    return found


def _voided(attempt: PaymentAttempt, found: ChargeResult) -> ChargeResult:
    """Void a charge that may be voided. Should it be paid at that moment, return how it stands then."""
    if found.status not in VOIDABLE:
        return found
    with asking():
        try:
            return adapters.gateway(attempt.gateway).void(found.gateway_id)
        except GatewayRefused:
            again = look_up(attempt)
            if again is None or again == found:
                raise
            return again


def _request(attempt: PaymentAttempt) -> ChargeRequest:
    address: dict[str, Any] = attempt.order.address_snapshot
    payer: dict[str, str] = attempt.instrument.get("payer") or address.get("payer", {})
    return ChargeRequest(
        attempt_id=attempt.id,
        method=attempt.method,
        amount=attempt.charged,
        capture=not attempt.captures_later,
        installments=attempt.instalments,
        token=attempt.instrument.get("token", ""),
        voucher_code=attempt.instrument.get("voucher_code", ""),
        due_at=attempt.created_at + settings.BOLETO_DUE if attempt.method == Method.BOLETO else None,
        expires_at=attempt.expires_at,
        payer_name=payer.get("name") or address.get("recipient", ""),
        payer_tax_id=payer.get("tax_id", ""),
        webhook_url=f"{settings.PUBLIC_URL}/api/v1/payments/webhooks/{attempt.gateway}",
        return_url=attempt.instrument.get("return_url", ""),
    )
