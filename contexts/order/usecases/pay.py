"""Payments: charging what an order's attempts ask for, writing down what the gateway says, giving money back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from django.conf import settings
from django.db import connections

from contexts.order import adapters
from contexts.order.adapters import ChargeRequest, ChargeResult
from contexts.order.models import AttemptStatus, Order, PaymentAttempt
from ecommerce import codec
from ecommerce.errors import Conflict, DomainError, Kind
from ecommerce.ids import new_id
from ecommerce.money import Money
from ecommerce.saga.definition import OutcomeUnknown
from ecommerce.unit_of_work import unit_of_work

RECORD = """
    WITH attempt AS (
        UPDATE payment_attempts
        SET status = %(status)s, gateway_id = %(gateway_id)s, decline_code = %(decline_code)s,
            client_data = client_data || %(client_data)s::jsonb, updated_at = %(now)s
        WHERE id = %(id)s
        RETURNING id
    ), booked AS (
        SELECT coalesce(sum(amount) FILTER (WHERE kind = 'capture'), 0) AS captured,
               coalesce(sum(amount) FILTER (WHERE kind = 'refund'), 0) AS refunded
        FROM payment_ledger WHERE attempt_id = %(id)s
    )
    INSERT INTO payment_ledger (id, attempt_id, kind, amount, reference, at)
    SELECT m.id, attempt.id, m.kind, m.amount, m.reference, %(now)s
    FROM attempt, booked, LATERAL (VALUES
        (%(capture_id)s::uuid, 'capture', %(captured)s::numeric - booked.captured, 'captured:' || %(captured)s),
        (%(refund_id)s::uuid, 'refund', %(refunded)s::numeric - booked.refunded, 'refunded:' || %(refunded)s)
    ) AS m (id, kind, amount, reference)
    WHERE m.amount > 0
    ON CONFLICT (attempt_id, kind, reference) DO NOTHING
"""
"""Brings the ledger up to the gateway's totals; told the same twice, or late, it writes nothing."""


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
        OutcomeUnknown: the gateway did not answer; the charge may have happened.
        GatewayUnavailable: the gateway surely did nothing.
    """
    order = Order.objects.using("order").prefetch_related("payments").get(id=order_id)
    if order.status not in ("pending", "awaiting_payment"):
        raise OrderNotPayable(f"the order is {order.status}", status=order.status)
    waits: list[datetime] = []
    for attempt in sorted(order.payments.all(), key=lambda attempt: attempt.position):
        status = attempt.status
        if status == AttemptStatus.CREATED or status == AttemptStatus.UNKNOWN:
            status = _charge(order, attempt, now=now)
        elif status != AttemptStatus.CAPTURED and attempt.expires_at and attempt.expires_at <= now:
            status = refresh(attempt, now=now)
        if status in (AttemptStatus.PENDING, AttemptStatus.REQUIRES_ACTION):
            if attempt.expires_at and attempt.expires_at <= now:
                raise PaymentExpired("the payment did not arrive in time", method=attempt.method)
            waits.append(attempt.expires_at or now + settings.CARD_ACTION_TIMEOUT)
        elif status != AttemptStatus.CAPTURED:
            raise PaymentDeclined("the payment was refused", decline_code=attempt.decline_code, method=attempt.method)
    return Outlook(min(waits) if waits else None)


def refresh(attempt: PaymentAttempt, *, now: datetime) -> str:
    """Ask the gateway how an attempt stands, write it down and return its status.

    Raises:
        OutcomeUnknown, GatewayUnavailable
    """
    gateway = adapters.gateway(attempt.gateway)
    try:
        result = gateway.fetch(attempt.gateway_id) if attempt.gateway_id else gateway.find(attempt.id)
    except adapters.OutcomeUnknown as error:
        raise OutcomeUnknown(str(error)) from error
    if result is None:
        return AttemptStatus(attempt.status)
    return record_result(attempt, result, now=now)


def record_result(attempt: PaymentAttempt, result: ChargeResult, *, now: datetime) -> str:
    """Write down what the gateway says of an attempt, the money that moved included; return the status.

    Idempotent and independent of order. One statement, a transaction of its own.
    """
    attempt.status, attempt.decline_code = result.status, result.decline_code
    parameters = {
        "id": attempt.id, "status": result.status, "gateway_id": result.gateway_id,
        "decline_code": result.decline_code, "client_data": codec.encode(result.client_data).decode(),
        "captured": str(result.captured.amount), "refunded": str(result.refunded.amount),
        "capture_id": new_id(), "refund_id": new_id(), "now": now,
    }  # fmt: skip
    with unit_of_work("order"), connections["order"].cursor() as cursor:
        cursor.execute(RECORD, parameters)
    return AttemptStatus(result.status)


def refund_order(*, order_id: UUID, reason: str, now: datetime) -> None:
    """Give back everything that was captured for an order, and void what is still open. Repeat it as often as needed.

    The refund's id follows from the attempt's, so that a repeated call refunds once.

    Raises:
        OutcomeUnknown: the gateway did not answer; call again.
        GatewayUnavailable
    """
    for attempt in PaymentAttempt.objects.using("order").filter(order_id=order_id).order_by("position"):
        gateway = adapters.gateway(attempt.gateway)
        try:
            found = gateway.fetch(attempt.gateway_id) if attempt.gateway_id else gateway.find(attempt.id)
            if found is None:
                continue
            left = found.captured - found.refunded
            if left:
                found = gateway.refund(found.gateway_id, _refund_id(attempt, left), left, reason)
            elif found.status in (AttemptStatus.PENDING, AttemptStatus.REQUIRES_ACTION, AttemptStatus.AUTHORIZED):
                found = gateway.void(found.gateway_id)
        except adapters.OutcomeUnknown as error:
            raise OutcomeUnknown(str(error)) from error
        record_result(attempt, found, now=now)


def _charge(order: Order, attempt: PaymentAttempt, *, now: datetime) -> str:
    gateway = adapters.gateway(attempt.gateway)
    try:
        if attempt.status == AttemptStatus.UNKNOWN:
            result = gateway.find(attempt.id) or gateway.charge(_request(order, attempt))
        else:
            result = gateway.charge(_request(order, attempt))
    except adapters.OutcomeUnknown as error:
        PaymentAttempt.objects.using("order").filter(id=attempt.id).update(status=AttemptStatus.UNKNOWN, updated_at=now)
        raise OutcomeUnknown(str(error)) from error
    return record_result(attempt, result, now=now)


def _request(order: Order, attempt: PaymentAttempt) -> ChargeRequest:
    payer: dict[str, Any] = order.address_snapshot.get("payer", {})
    return ChargeRequest(
        attempt_id=attempt.id,
        method=attempt.method,
        amount=attempt.money,
        installments=attempt.instalments,
        token=attempt.instrument.get("token", ""),
        voucher_code=attempt.instrument.get("voucher_code", ""),
        expires_at=attempt.expires_at,
        payer_name=payer.get("name") or order.address_snapshot.get("recipient", ""),
        payer_tax_id=payer.get("tax_id", ""),
        webhook_url=f"{settings.PUBLIC_URL}/api/v1/payments/webhooks/{attempt.gateway}",
    )


def _refund_id(attempt: PaymentAttempt, left: Money) -> UUID:
    return uuid5(attempt.id, f"refund:{left.amount}")
