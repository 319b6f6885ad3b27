"""Asking gateways, writing down what they say, and what follows from it: late money goes back, as does what was paid
twice, and what somebody gave back at the gateway is known here, too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from uuid import UUID

import structlog

from contexts.order import adapters
from contexts.order.adapters import ChargeResult
from contexts.order.domain import ENDED, PAID
from contexts.order.domain.money_flow import Balance, Portion, PricedReturn, share_out
from contexts.order.models import (
    CaseKind,
    LedgerKind,
    Order,
    PaymentAttempt,
    Refund,
    RefundLine,
    RefundOrigin,
    RefundShare,
    StaffCase,
    asked_back,
    balances_of,
    locked_order,
)
from contexts.order.usecases.payment_codes import without_foreign_codes
from ecommerce.ids import new_id
from ecommerce.money import total
from ecommerce.observability import metrics
from ecommerce.saga import engine
from ecommerce.saga.definition import OutcomeUnknown
from ecommerce.unit_of_work import UnitOfWork, unit_of_work

log = structlog.get_logger(__name__)


@contextmanager
def asking() -> Iterator[None]:
    """Let a gateway's silence be what the saga engine understands by an unknown outcome."""
    try:
        yield
    except adapters.OutcomeUnknown as error:
        raise OutcomeUnknown(str(error)) from error


def look_up(attempt: PaymentAttempt) -> ChargeResult | None:
    """Return how the attempt's charge stands at the gateway; None if there is none by now.

    Raises:
        OutcomeUnknown, GatewayRefused
    """
    gateway = adapters.gateway(attempt.gateway)
    with asking():
        return gateway.fetch(attempt.gateway_id) if attempt.gateway_id else gateway.find(attempt.id)


def record(*, attempt: PaymentAttempt, result: ChargeResult, now: datetime, wake: bool = False) -> None:
    """Write down what the gateway says of a payment, and start what has to follow from it. Safe at any time."""
    before = attempt.status
    _record(attempt, result, now=now, wake=wake)
    count_change(attempt=attempt, before=before)


def count_change(*, attempt: PaymentAttempt, before: str) -> None:
    """Let the metrics know what became of a payment, if anything did."""
    if attempt.status != before:
        metrics.PAYMENTS.labels(attempt.method, attempt.gateway, attempt.status).inc()


def _record(attempt: PaymentAttempt, result: ChargeResult, *, now: datetime, wake: bool) -> None:
    before = attempt.status
    with unit_of_work("order") as work:
        news = attempt.learn(
            status=result.status,
            gateway_id=result.gateway_id,
            decline_code=result.decline_code,
            client_data=without_foreign_codes(attempt=attempt, client_data=result.client_data),
            balance=Balance(
                authorized=result.authorized, captured=result.captured, refunded=result.refunded, price=attempt.price
            ),
            now=now,
        )
        if news is None:
            return
        if news.keeps_money and news.order_status in ENDED:
            return_everything(work=work, order_id=attempt.order_id, reason=f"order {news.order_status}", now=now)
        elif news.order_status in PAID and news.booked & {LedgerKind.CAPTURE, LedgerKind.REFUND}:
            square_up(work=work, order_id=attempt.order_id, now=now)
        elif wake and attempt.status != before:
            engine.signal(work, "CREATE_ORDER", subject=attempt.order_id)
        if news.order_status in PAID and LedgerKind.RELEASE in news.booked:
            _miss_what_was_lost(attempt, now=now)


def _miss_what_was_lost(attempt: PaymentAttempt, *, now: datetime) -> None:
    """Call a person if an order that stands is no longer covered: its goods cannot leave, and nobody would notice
    before they are to. The order's row is locked, and an authorization is lost once."""
    covered = total(balance.covered for balance in balances_of(attempt.order_id).values())
    missing = attempt.order.due - covered
    if missing.amount > 0:
        log.warning("authorization_lost", order=str(attempt.order_id), attempt=str(attempt.id), missing=str(missing))
        facts = {"gateway": {"status": attempt.status}, "shop": {"missing": str(missing)}}
        StaffCase.open_for(attempt, kind=CaseKind.AUTHORIZATION_LOST, facts=facts, amount=-missing, now=now)


def return_everything(*, work: UnitOfWork, order_id: UUID, reason: str, now: datetime) -> None:
    """Let a worker give back all that an order that has ended still has, or holds at the bank."""
    engine.start(work, "REFUND_ORDER", subject=order_id, data={"reason": reason}, now=now, held=False)


def square_up(*, work: UnitOfWork, order_id: UUID, now: datetime) -> None:
    """Compare the money of an order that stands with what it costs and what was asked back, its row being locked.

    What was given back without having been asked for here becomes a refund that everybody can see; what came in beyond
    the order's total is sent back. Interest is no part of that total: it goes back with the money that bore it.
    """
    order, balances, asked = locked_order(order_id), balances_of(order_id), asked_back(order_id)
    assert order is not None
    for attempt, balance in balances.items():
        known = asked_of(attempt_id=attempt, asked=asked)
        by_hand = balance.refunded - known.whole
        if by_hand.amount > 0:
            log.warning("refunded_at_gateway", order=str(order_id), attempt=str(attempt), amount=str(by_hand))
            share = (balance.paid - known).out_of(by_hand)
            asked[attempt, RefundOrigin.GATEWAY] += share
            write_refund(
                work=work, order=order, shares=[(attempt, share)], origin=RefundOrigin.GATEWAY, actor="gateway",
                reason="Devolução feita no gateway", now=now,
            )  # fmt: skip
    settled = total(asked[attempt, origin].part for attempt in balances for origin in BEYOND)
    surplus = total(balance.paid.part for balance in balances.values()) - order.due - settled
    if surplus.amount > 0:
        log.warning("paid_twice", order=str(order_id), amount=str(surplus))
        shares = share_out(surplus, refundable(balances=balances, asked=asked))
        write_refund(
            work=work, order=order, shares=shares, origin=RefundOrigin.SURPLUS, actor="system", reason="Pago a mais",
            now=now,
        )  # fmt: skip


BEYOND = (RefundOrigin.SURPLUS, RefundOrigin.GATEWAY)
"""What was given back by hand is taken for what had been paid twice, if anything was: nothing is sent back twice."""


def refundable(
    *, balances: Mapping[UUID, Balance], asked: Mapping[tuple[UUID, str], Portion]
) -> list[tuple[UUID, Portion]]:  # fmt: skip
    """Return what each payment has left that nobody has asked back yet, in the order of payment."""
    return [(attempt, balance.left(asked_of(attempt_id=attempt, asked=asked))) for attempt, balance in balances.items()]


def asked_of(*, attempt_id: UUID, asked: Mapping[tuple[UUID, str], Portion]) -> Portion:
    """Return what was ever asked back of one payment."""
    return sum((asked[attempt_id, origin] for origin in RefundOrigin), start=Portion())


def write_refund(
    *,
    work: UnitOfWork,
    order: Order,
    shares: Sequence[tuple[UUID, Portion]],
    origin: RefundOrigin,
    actor: str,
    reason: str,
    now: datetime,
    pieces: Sequence[PricedReturn] = (),
    restock: bool = False,
    held: bool = False,
    refund_id: UUID | None = None,
) -> tuple[Refund, engine.Run]:
    """Write a refund and its saga in the open unit of work, the order's row being locked. Run it only if ``held``."""
    amount = total(share.whole for _, share in shares)
    refund = Refund(
        id=refund_id or new_id(),
        order=order,
        origin=origin,
        amount=amount.amount,
        currency=amount.currency,
        restock=restock,
        reason=reason[:200],
        actor=actor,
        requested_at=now,
    )
    lines = [
        RefundLine(
            refund=refund,
            order_line_id=one.line_id,
            quantity=one.quantity,
            amount=one.amount.amount,
            freight=one.freight.amount,
        )
        for one in pieces
    ]
    parts = [
        RefundShare(refund=refund, attempt_id=attempt, amount=share.whole.amount, interest=share.interest.amount)
        for attempt, share in shares
    ]
    data = {"refund_id": refund.id}
    along = [refund, *lines, *parts]
    run = engine.start(work, "REFUND_PART", subject=order.id, data=data, now=now, held=held, along=along)
    return refund, run
