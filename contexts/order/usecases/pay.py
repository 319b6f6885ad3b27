"""Payments: charging what an order's attempts ask for, writing down what the gateway says, giving money back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from django.conf import settings

from contexts.order import adapters
from contexts.order.adapters import ChargeRequest, ChargeResult, GatewayRefused, PaymentGateway
from contexts.order.domain import ENDED, PAYABLE, Method
from contexts.order.models import OPEN, UNSENT, AttemptStatus, Order, PaymentAttempt, payments_of
from contexts.order.usecases.payment_codes import check_codes, without_foreign_codes
from ecommerce.errors import Conflict, DomainError, Kind
from ecommerce.saga import engine
from ecommerce.saga.definition import OutcomeUnknown
from ecommerce.unit_of_work import unit_of_work

SETTLED_AFTER = timedelta(minutes=10)
"""A charge that the gateway still does not know so long after the last sign of it did not happen."""

VOIDABLE = OPEN | {AttemptStatus.AUTHORIZED}


class PaymentDeclined(DomainError):
    """The gateway refused a payment; ``decline_code`` says why. Nothing is kept of the order's other payments."""

    code = "payment_declined"
    kind = Kind.PAYMENT_REQUIRED


class PaymentExpired(Conflict):
    """The money did not come in time."""

    code = "payment_expired"


class OrderNotPayable(Conflict):
    """The order was cancelled while it was being paid."""

    code = "order_not_payable"


@dataclass(frozen=True)
class Outlook:
    """How far an order's payments are; ``waits_until`` is set while money is still to come."""

    waits_until: datetime | None


def charge_order(*, order_id: UUID, now: datetime) -> Outlook:
    """Charge every payment of an order that is not settled yet, in order. Repeat it as often as needed.

    Each attempt's id is its idempotency key at the gateway. An attempt whose outcome is unknown is looked up first.

    Raises:
        PaymentDeclined, PaymentExpired, OrderNotPayable
        PaymentCodeRefused: what the gateway gives to pay by is not what was asked for.
        OutcomeUnknown: the gateway did not answer; the charge may have happened.
        GatewayUnavailable: the gateway surely did nothing.
    """
    waits: list[datetime] = []
    for attempt in payments_of(order_id):
        if attempt.order.status not in PAYABLE:
            raise not_payable(attempt.order)
        overdue = attempt.expires_at <= now
        if attempt.status in UNSENT:
            _charge(attempt, overdue=overdue, now=now)
        elif attempt.status in OPEN and overdue and (found := _look_up(attempt)):
            _record(attempt, found, now=now)
        if attempt.status in OPEN and not overdue:
            waits.append(attempt.expires_at)
        elif attempt.status in OPEN or attempt.status == AttemptStatus.EXPIRED:
            raise PaymentExpired("O pagamento não chegou a tempo.", method=attempt.method)
        elif attempt.status != AttemptStatus.CAPTURED:
            raise PaymentDeclined("O pagamento foi recusado.", decline_code=attempt.decline_code, method=attempt.method)
    return Outlook(min(waits) if waits else None)


def catch_up(*, attempt: PaymentAttempt, now: datetime) -> None:
    """Ask the gateway how an attempt stands, and wake its order's saga with the news. Safe at any time.

    Raises:
        OutcomeUnknown: the gateway did not answer.
        GatewayRefused: it does not know the charge that we know it by.
    """
    found = _look_up(attempt)
    if found is not None:
        _record(attempt, found, now=now, wake=True)


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
        try:
            _give_back(attempt, reason, now)
        except (OutcomeUnknown, DomainError) as problem:
            problems.append(problem)
    if problems:
        raise problems[0]


def not_payable(order: Order) -> OrderNotPayable:
    """Return the error of whoever comes too late with money, or for it."""
    return OrderNotPayable("O pedido foi encerrado antes do pagamento.", status=order.status)


def _charge(attempt: PaymentAttempt, *, overdue: bool, now: datetime) -> None:
    """Charge an attempt, unless it has been; when its time is over, only look whether it was."""
    result = _look_up(attempt) if overdue or attempt.status == AttemptStatus.UNKNOWN else None
    if result is None and overdue:
        raise PaymentExpired("O pagamento não foi concluído a tempo.", method=attempt.method)
    if result is None:
        try:
            with _asking():
                result = adapters.gateway(attempt.gateway).charge(_request(attempt))
        except OutcomeUnknown:
            attempt.lose_sight(now=now)
            raise
    check_codes(attempt=attempt, client_data=result.client_data)
    _record(attempt, result, now=now)


def _give_back(attempt: PaymentAttempt, reason: str, now: datetime) -> None:
    if attempt.status in (AttemptStatus.DECLINED, AttemptStatus.REFUNDED):
        return
    found = _look_up(attempt)
    if found is not None:
        _record(attempt, _returned(attempt, found, reason), now=now)
    elif attempt.status == AttemptStatus.UNKNOWN and now - attempt.updated_at < SETTLED_AFTER:
        raise OutcomeUnknown("the gateway does not know the charge yet")
    else:
        attempt.let_go(now=now)


def _returned(attempt: PaymentAttempt, found: ChargeResult, reason: str) -> ChargeResult:
    """Refund or void a charge. Should it change at that moment, it is looked at once more."""
    gateway = adapters.gateway(attempt.gateway)
    with _asking():
        try:
            return _refunded_or_voided(gateway, attempt, found, reason)
        except GatewayRefused:
            again = _look_up(attempt)
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


def _look_up(attempt: PaymentAttempt) -> ChargeResult | None:
    """Return how the attempt's charge stands at the gateway; None if there is none by now."""
    gateway = adapters.gateway(attempt.gateway)
    with _asking():
        return gateway.fetch(attempt.gateway_id) if attempt.gateway_id else gateway.find(attempt.id)


@contextmanager
def _asking() -> Iterator[None]:
    """Let a gateway's silence be what the saga engine understands by an unknown outcome."""
    try:
        yield
    except adapters.OutcomeUnknown as error:
        raise OutcomeUnknown(str(error)) from error


def _record(attempt: PaymentAttempt, result: ChargeResult, *, now: datetime, wake: bool = False) -> None:
    """Write down what the gateway says. Money for an order that has ended is sent back by a saga of its own."""
    before = attempt.status
    with unit_of_work("order") as work:
        order_status = attempt.learn(
            status=result.status,
            gateway_id=result.gateway_id,
            decline_code=result.decline_code,
            client_data=without_foreign_codes(attempt=attempt, client_data=result.client_data),
            captured=result.captured,
            refunded=result.refunded,
            now=now,
        )
        if order_status in ENDED:
            reason = f"order {order_status}"
            engine.start(work, "REFUND_ORDER", subject=attempt.order_id, data={"reason": reason}, now=now, held=False)
        elif wake and attempt.status != before:
            engine.signal(work, "CREATE_ORDER", subject=attempt.order_id, now=now)


def _request(attempt: PaymentAttempt) -> ChargeRequest:
    address: dict[str, Any] = attempt.order.address_snapshot
    payer: dict[str, str] = address.get("payer", {})
    return ChargeRequest(
        attempt_id=attempt.id,
        method=attempt.method,
        amount=attempt.charged,
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
