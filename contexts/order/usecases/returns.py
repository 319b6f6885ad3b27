"""Returns: the buyer asks, staff decides, the pieces come, the money goes (saga REFUND_PART)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from contexts.order.domain import PAID
from contexts.order.domain.money_flow import WorthNothing
from contexts.order.domain.returns import (
    IllegalReturn,
    Reason,
    ReturnStatus,
    check_withdrawal,
    first_status,
    gives_freight_back,
)
from contexts.order.events import RefundedLine, ReturnApproved, ReturnReceived, ReturnRefused, ReturnRequested
from contexts.order.interface import OrderNotFound
from contexts.order.models import Order, OrderLine, Refund, ReturnLine, ReturnRequest, locked_order
from contexts.order.usecases.place_order import AlreadyRequested, Claim
from contexts.order.usecases.refund import COUNTERS, RefundRequest, refund_lines
from ecommerce.errors import Conflict, Invalid, NotFound
from ecommerce.http import idempotency
from ecommerce.ids import new_id
from ecommerce.unit_of_work import UnitOfWork, unit_of_work


class OrderNotReturnable(Conflict):
    """Only what was paid and delivered can be given back; ``status`` is the order's."""

    code = "order_not_returnable"


class NothingToReturn(Invalid):
    """A line is not part of the order, or fewer pieces of it can be given back; ``lines`` maps line ids to those."""

    code = "nothing_to_return"


class ReturnNotFound(NotFound):
    code = "return_not_found"


class MoreThanReturned(Invalid):
    """More pieces can be sold again than came back."""

    code = "more_than_returned"


@dataclass(frozen=True, kw_only=True)
class ReturnWish:
    """What a buyer wants to give back: ``pieces`` by line id; ``note`` is in the buyer's own words."""

    order_id: UUID
    pieces: Mapping[UUID, int]
    reason: Reason
    note: str


def request_return(*, wanted: ReturnWish, actor: str, claim: Claim, now: datetime) -> ReturnRequest:
    """Note that a buyer wants to give pieces back. A withdrawal in time is approved with that; others wait for staff.

    ``claim`` is the client's idempotency key. However many ask at once, no more pieces are taken than arrived.

    Raises:
        OrderNotFound, OrderNotReturnable, NothingToReturn
        WithdrawalTooLate
        AlreadyRequested: the key was claimed by a parallel request.
    """
    request_id = new_id()
    with unit_of_work("order") as work:
        if earlier := idempotency.claim("order", *claim, resource_id=request_id):
            raise AlreadyRequested(earlier)
        order = locked_order(wanted.order_id)
        if order is None:
            raise OrderNotFound("Pedido não encontrado.")
        if order.status not in PAID:
            raise OrderNotReturnable("Só um pedido pago e entregue pode ser devolvido.", status=order.status)
        if wanted.reason == Reason.WITHDRAWAL:
            check_withdrawal(order.delivered_at, now=now)
        _set_aside(order, wanted.pieces)
        request = _write(order, wanted, request_id, actor=actor, now=now)
        event = ReturnRequested(
            order_id=order.id,
            number=order.number,
            return_id=request.id,
            reason=request.reason,
            approved=request.status == ReturnStatus.APPROVED,
        )
        version = order.note("return_requested", why=request.get_reason_display(), actor=actor, now=now)
        work.publish(event, subject=order.id, version=version)
    return request


def approve_return(*, return_id: UUID, answer: str, actor: str, now: datetime) -> None:
    """Let the buyer send the pieces; ``answer`` tells how. Of one that is approved already, the answer is changed.

    Raises:
        ReturnNotFound, IllegalReturn
    """
    with _changing(return_id) as (work, order, request):
        request.become(ReturnStatus.APPROVED, now=now, answer=answer)
        event = ReturnApproved(order_id=order.id, number=order.number, return_id=request.id, answer=answer)
        version = order.note("return_approved", why=answer, actor=actor, now=now)
        work.publish(event, subject=order.id, version=version)


def refuse_return(*, return_id: UUID, answer: str, actor: str, now: datetime) -> None:
    """Refuse a return; ``answer`` tells the buyer why. Its pieces may be asked for again.

    Raises:
        ReturnNotFound
        IllegalReturn: also if pieces of it are on sale again.
    """
    with _changing(return_id) as (work, order, request):
        request.become(ReturnStatus.REFUSED, now=now, answer=answer)
        lines = list(request.lines.select_related("order_line"))
        if any(line.sellable_quantity for line in lines):
            raise IllegalReturn("Peças desta devolução já voltaram à venda.", status=ReturnStatus.RECEIVED.value)
        for line in lines:
            line.order_line.returning_quantity -= line.quantity
            line.order_line.save(using="order", update_fields=["returning_quantity"])
        event = ReturnRefused(order_id=order.id, number=order.number, return_id=request.id, answer=answer)
        version = order.note("return_refused", why=answer, actor=actor, now=now)
        work.publish(event, subject=order.id, version=version)


def receive_return(*, return_id: UUID, sellable: Mapping[UUID, int], actor: str, now: datetime) -> None:
    """Note that the pieces are here. Those that are ``sellable``, by line id of the order, go back on the shelf.

    Raises:
        ReturnNotFound, IllegalReturn, MoreThanReturned
    """
    with _changing(return_id) as (work, order, request):
        request.become(ReturnStatus.RECEIVED, now=now)
        lines = list(request.lines.select_related("order_line").order_by("order_line__position"))
        returned = {line.order_line_id: line.quantity for line in lines}
        if any(not 0 <= count <= returned.get(line, 0) for line, count in sellable.items()):
            raise MoreThanReturned("Só pode voltar à venda o que foi devolvido.")
        for line in lines:
            line.sellable_quantity = sellable.get(line.order_line_id, 0)
        ReturnLine.objects.using("order").bulk_update(lines, ["sellable_quantity"])
        event = ReturnReceived(
            order_id=order.id,
            number=order.number,
            return_id=request.id,
            lines=[
                RefundedLine(variant_id=line.order_line.variant_id, quantity=line.sellable_quantity)
                for line in lines
                if line.sellable_quantity
            ],
        )
        version = order.note("return_received", why="", actor=actor, now=now)
        work.publish(event, subject=order.id, version=version)


def refund_return(*, return_id: UUID, actor: str, now: datetime) -> Refund | None:
    """Give back what was paid for the pieces of a return, whether or not they are here; return the refund. If nothing
    was paid for them, the return is closed without one.

    Raises:
        ReturnNotFound, IllegalReturn and what ``refund_lines`` raises
    """
    request = ReturnRequest.objects.using("order").filter(id=return_id).prefetch_related("lines").first()
    if request is None:
        raise ReturnNotFound("Devolução não encontrada.")
    wanted = RefundRequest(
        order_id=request.order_id,
        pieces={line.order_line_id: line.quantity for line in request.lines.all()},
        freight=request.freight,
        restock=False,
        reason=f"Devolução: {request.get_reason_display()}",
        return_id=return_id,
    )
    try:
        return refund_lines(wanted=wanted, actor=actor, claim=None, now=now)
    except WorthNothing:
        _close(return_id, why=wanted.reason, actor=actor, now=now)
        return None


def _close(return_id: UUID, *, why: str, actor: str, now: datetime) -> None:
    """Count the pieces of a return as given back, although no money goes.

    Raises:
        IllegalReturn
    """
    with _changing(return_id) as (_, order, request):
        request.become(ReturnStatus.CLOSED, now=now)
        for line in request.lines.select_related("order_line"):
            line.order_line.refund_returned(line.quantity)
            line.order_line.save(using="order", update_fields=COUNTERS)
        order.note("return_closed", why=why, actor=actor, now=now)


def _set_aside(order: Order, pieces: Mapping[UUID, int]) -> None:
    """Count pieces as wanted back.

    Raises:
        NothingToReturn
    """
    lines = list(OrderLine.objects.using("order").filter(order_id=order.id).order_by("position"))
    left = {line.id: line.returnable for line in lines}
    if not pieces or any(not 0 < count <= left.get(line, 0) for line, count in pieces.items()):
        facts = {str(line): count for line, count in left.items()}
        raise NothingToReturn("Não há o que devolver dessas peças.", lines=facts)
    wanted = [line for line in lines if line.id in pieces]
    for line in wanted:
        line.returning_quantity += pieces[line.id]
    OrderLine.objects.using("order").bulk_update(wanted, ["returning_quantity"])


def _write(order: Order, wanted: ReturnWish, request_id: UUID, *, actor: str, now: datetime) -> ReturnRequest:
    request = ReturnRequest(
        id=request_id,
        order=order,
        status=first_status(wanted.reason).value,
        reason=wanted.reason.value,
        note=wanted.note[:500],
        freight=gives_freight_back(wanted.reason),
        actor=actor,
        requested_at=now,
        changed_at=now,
    )
    request.save(using="order", force_insert=True)
    lines: Sequence[ReturnLine] = [
        ReturnLine(request=request, order_line_id=line, quantity=count) for line, count in wanted.pieces.items()
    ]
    ReturnLine.objects.using("order").bulk_create(lines)
    return request


@contextmanager
def _changing(return_id: UUID) -> Iterator[tuple[UnitOfWork, Order, ReturnRequest]]:
    """Open a unit of work with a return and its order, whose row is locked.

    Raises:
        ReturnNotFound
    """
    known = ReturnRequest.objects.using("order").filter(id=return_id).values_list("order_id", flat=True).first()
    if known is None:
        raise ReturnNotFound("Devolução não encontrada.")
    with unit_of_work("order") as work:
        order = locked_order(known)
        assert order is not None
        yield work, order, ReturnRequest.objects.using("order").get(id=return_id)
