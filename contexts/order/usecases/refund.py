"""Partial refunds: pieces of an order that stands, with their share of the freight (saga REFUND_PART)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from contexts.order import adapters
from contexts.order.adapters import GatewayRefused
from contexts.order.domain import PAID
from contexts.order.domain.money_flow import (
    Balance,
    Portion,
    PricedReturn,
    RefundableLine,
    price_refund,
    share_out,
)
from contexts.order.domain.returns import ReturnStatus, check_return
from contexts.order.events import OrderRefunded, RefundedLine
from contexts.order.interface import OrderNotFound
from contexts.order.models import (
    Order,
    OrderLine,
    PaymentAttempt,
    Refund,
    RefundOrigin,
    RefundShare,
    RefundStatus,
    ReturnRequest,
    asked_back,
    balances_of,
    locked_order,
)
from contexts.order.usecases.capture import capture_order
from contexts.order.usecases.fulfil import end_shipping
from contexts.order.usecases.place_order import AlreadyRequested, Claim
from contexts.order.usecases.record import BEYOND, asked_of, asking, look_up, record, refundable, write_refund
from ecommerce.errors import Conflict, Invalid
from ecommerce.http import idempotency
from ecommerce.ids import new_id
from ecommerce.money import Money, total
from ecommerce.saga import engine
from ecommerce.saga.definition import OutcomeUnknown
from ecommerce.unit_of_work import unit_of_work

COUNTERS = ("refunded_quantity", "withdrawn_quantity", "returning_quantity", "returned_quantity")


class OrderNotRefundable(Conflict):
    """Only an order that was paid gives parts back; ``status`` is what it is. Cancelling gives everything back."""

    code = "order_not_refundable"


class PartialRefundUnsupported(Invalid):
    """This payment's gateway gives back all or nothing; ``refundable`` is all."""

    code = "partial_refund_unsupported"


@dataclass(frozen=True, kw_only=True)
class RefundRequest:
    """What staff wants to give back: ``pieces`` by line id."""

    order_id: UUID
    pieces: Mapping[UUID, int]
    freight: bool
    """Whether the pieces' share of the freight goes back as well."""
    restock: bool
    reason: str
    return_id: UUID | None = None
    """The return that the pieces are of, if they are of one."""


def refund_lines(*, wanted: RefundRequest, actor: str, claim: Claim | None, now: datetime) -> Refund:
    """Give back what pieces of an order cost; return the refund as far as it has come. A worker does the rest.

    The interest that was paid for them goes back on top. What was only authorized is captured first. ``claim`` is the
    client's idempotency key, if there is one.

    Raises:
        OrderNotFound, OrderNotRefundable, NothingToRefund, RefundTooLarge, PartialRefundUnsupported
        CaptureFailed, PaymentUnclear
        IllegalReturn: the return was refused, or refunded before.
        AlreadyRequested: the key was claimed by a parallel request.
    """
    _check(Order.objects.using("order").filter(id=wanted.order_id).first(), wanted)
    capture_order(order_id=wanted.order_id, now=now)
    refund_id = new_id()
    with unit_of_work("order") as work:
        if claim and (earlier := idempotency.claim("order", *claim, resource_id=refund_id)):
            raise AlreadyRequested(earlier)
        order, returned, pieces = _check(locked_order(wanted.order_id), wanted)
        _count(order, pieces, of_return=returned is not None)
        amount = total(one.amount + one.freight for one in pieces)
        balances = balances_of(order.id)
        shares = share_out(amount, refundable(balances=balances, asked=asked_back(order.id)))
        _check_capabilities(order, dict(shares), balances)
        refund, run = write_refund(
            work=work,
            order=order,
            shares=shares,
            origin=RefundOrigin.STAFF,
            actor=actor,
            reason=wanted.reason,
            now=now,
            pieces=pieces,
            restock=wanted.restock,
            held=True,
            refund_id=refund_id,
        )
        if returned is not None:
            returned.become(ReturnStatus.REFUNDED, now=now, refund=refund)
            order.note("return_refunded", why=wanted.reason, actor=actor, now=now)
        end_shipping(work=work, order=order, actor=actor, now=now)
    engine.run(run)
    refund.refresh_from_db(using="order")
    return refund


def pay_refund(*, refund_id: UUID, now: datetime) -> None:
    """Let the gateways give back what a refund asks of each payment. Repeat it as often as needed.

    They are asked first: if they have given back all that was asked of a payment, however it was done, nothing is sent.
    Nor is anything for a refund that was made at the gateway, whatever else was asked of its payment meanwhile.

    Raises:
        OutcomeUnknown, GatewayUnavailable
        GatewayRefused: a person must see to it.
    """
    shares = RefundShare.objects.using("order").filter(refund_id=refund_id).exclude(refund__origin=RefundOrigin.GATEWAY)
    for share in shares.select_related("refund", "attempt__order").order_by("id"):
        if _gives_back_already(share, now=now):
            continue
        gateway = adapters.gateway(share.attempt.gateway)
        try:
            with asking():
                result = gateway.refund(share.attempt.gateway_id, share.id, share.money, share.refund.reason)
        except GatewayRefused:
            if not _gives_back_already(share, now=now):
                raise
        else:
            record(attempt=share.attempt, result=result, now=now)


def finish_refund(*, refund_id: UUID, now: datetime) -> None:
    """Note that a refund is done, and tell everybody. Idempotent."""
    known = Refund.objects.using("order").filter(id=refund_id).values_list("order_id", flat=True).get()
    with unit_of_work("order") as work:
        order = locked_order(known)
        assert order is not None
        waiting = Refund.objects.using("order").filter(id=refund_id, status=RefundStatus.REQUESTED)
        if not waiting.update(status=RefundStatus.DONE, done_at=now):
            return
        refund = Refund.objects.using("order").get(id=refund_id)
        lines = refund.lines.select_related("order_line").order_by("order_line__position")
        event = OrderRefunded(
            order_id=order.id,
            number=order.number,
            refund_id=refund.id,
            amount=refund.money,
            of_sale=_of_sale(order, refund),
            reason=refund.reason,
            lines=[RefundedLine(variant_id=line.order_line.variant_id, quantity=line.quantity) for line in lines],
            restock=refund.restock,
            refunded_at=now,
        )
        work.publish(event, subject=order.id, version=order.count_event())


def _of_sale(order: Order, refund: Refund) -> Money:
    """Return what of a refund had been paid for the order, and not beyond its total.

    A refund made at the gateway is taken for what had been paid twice, if anything was (``square_up``).
    """
    nothing = total((), order.currency)
    if refund.origin != RefundOrigin.GATEWAY:
        return refund.money if refund.origin == RefundOrigin.STAFF else nothing
    paid = total((balance.paid.part for balance in balances_of(order.id).values()), order.currency)
    others = Refund.objects.using("order").filter(order_id=order.id, origin__in=BEYOND, id__lt=refund.id)
    settled = total((other.money for other in others), order.currency)
    beyond = max(nothing, paid - order.due - settled)
    return max(nothing, refund.money - beyond)


def _check(order: Order | None, wanted: RefundRequest) -> tuple[Order, ReturnRequest | None, list[PricedReturn]]:
    """Return the order, the return if there is one, and what the pieces are worth. Called before money is captured, and
    again under the lock.

    Raises:
        OrderNotFound, OrderNotRefundable, IllegalReturn, NothingToRefund
    """
    if order is None:
        raise OrderNotFound("Pedido não encontrado.")
    if order.status not in PAID:
        raise OrderNotRefundable("Só um pedido pago devolve uma parte.", status=order.status)
    return order, _return_of(wanted), _priced(order, wanted)


def _priced(order: Order, wanted: RefundRequest) -> list[PricedReturn]:
    lines = [
        RefundableLine(
            id=line.id,
            quantity=line.quantity,
            total=Money(line.total, order.currency),
            refunded=line.refunded_quantity,
            spoken_for=line.returning_quantity - (wanted.pieces.get(line.id, 0) if wanted.return_id else 0),
        )
        for line in _lines(order)
    ]
    freight = order.due - total((line.total for line in lines), order.currency)
    return price_refund(lines, freight, wanted.pieces, with_freight=wanted.freight)


def _return_of(wanted: RefundRequest) -> ReturnRequest | None:
    """Return the return that is to be refunded.

    Raises:
        IllegalReturn
    """
    if wanted.return_id is None:
        return None
    request = ReturnRequest.objects.using("order").get(id=wanted.return_id)
    check_return(ReturnStatus(request.status), ReturnStatus.REFUNDED)
    return request


def _count(order: Order, pieces: list[PricedReturn], *, of_return: bool) -> None:
    counts = {one.line_id: one.quantity for one in pieces}
    changed = [line for line in _lines(order) if line.id in counts]
    for line in changed:
        count = line.refund_returned if of_return else line.refund
        count(counts[line.id])
    OrderLine.objects.using("order").bulk_update(changed, COUNTERS)


def _lines(order: Order) -> list[OrderLine]:
    return list(OrderLine.objects.using("order").filter(order_id=order.id).order_by("position"))


def _check_capabilities(order: Order, shares: Mapping[UUID, Portion], balances: Mapping[UUID, Balance]) -> None:
    """Refuse to take a part of a payment whose gateway gives back all or nothing.

    Raises:
        PartialRefundUnsupported
    """
    attempts = PaymentAttempt.objects.using("order").filter(order_id=order.id, id__in=list(shares))
    for attempt_id, name in attempts.values_list("id", "gateway"):
        whole = balances[attempt_id].captured
        if shares[attempt_id].whole != whole and not adapters.gateway(name).capabilities.partial_refund:
            raise PartialRefundUnsupported("O gateway deste pagamento só devolve o valor inteiro.", refundable=whole)


def _gives_back_already(share: RefundShare, *, now: datetime) -> bool:
    """Tell whether the gateway has given back all that was ever asked of a payment; write down what it says.

    Raises:
        OutcomeUnknown: it does not say.
    """
    found = look_up(share.attempt)
    if found is None:
        raise OutcomeUnknown("the gateway does not know the charge yet")
    record(attempt=share.attempt, result=found, now=now)
    asked = asked_back(share.attempt.order_id)
    return found.refunded >= asked_of(attempt_id=share.attempt_id, asked=asked).whole
