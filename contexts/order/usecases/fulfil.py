"""Shipping: parcels leave, carriers report, orders arrive."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

from django.db import IntegrityError

from contexts.order.domain import Status
from contexts.order.events import OrderDelivered, OrderShipped
from contexts.order.interface import OrderNotFound
from contexts.order.models import (
    Order,
    OrderLine,
    Shipment,
    ShipmentLine,
    ShipmentStatus,
    TrackingEvent,
    count_delivered,
    locked_order,
)
from contexts.order.usecases.capture import capture_order
from ecommerce.errors import Conflict, Invalid, NotFound
from ecommerce.unit_of_work import UnitOfWork, unit_of_work


class NothingToShip(Invalid):
    """A line is not part of the order, or fewer pieces of it are left; ``lines`` maps line ids to what is left."""

    code = "nothing_to_ship"


class TrackingCodeTaken(Conflict):
    code = "tracking_code_taken"


class ShipmentNotFound(NotFound):
    code = "shipment_not_found"


class TrackedInFuture(Invalid):
    code = "tracked_in_future"


CLOCK_TOLERANCE = timedelta(minutes=10)


def ship_order(
    *,
    order_id: UUID,
    carrier: str,
    tracking_code: str,
    quantities: Mapping[UUID, int] | None,
    actor: str,
    now: datetime,
) -> Shipment:
    """Send a parcel: the pieces in ``quantities`` by line id, or with None all that is left.

    What was only authorized is captured first: nothing leaves the house unpaid.

    Raises:
        OrderNotFound, IllegalTransition, NothingToShip
        CaptureFailed, PaymentUnclear: the money is not there.
        TrackingCodeTaken: the carrier's code belongs to another parcel.
    """
    capture_order(order_id=order_id, now=now)
    try:
        with unit_of_work("order") as work:
            order = locked_order(order_id)
            if order is None:
                raise OrderNotFound("Pedido não encontrado.")
            lines = list(OrderLine.objects.using("order").filter(order_id=order_id).order_by("position"))
            parcel = _parcel(lines, quantities)
            left = sum(line.to_send for line in lines) - sum(parcel.values())
            order.ship(everything=left == 0, actor=actor, now=now)
            shipment = Shipment(order=order, carrier=carrier, tracking_code=tracking_code, shipped_at=now)
            shipment.save(using="order", force_insert=True)
            _pack(shipment, lines, parcel)
            order.save_change()
            event = OrderShipped(order_id=order.id, number=order.number, carrier=carrier, tracking_code=tracking_code)
            work.publish(event, subject=order.id, version=order.version)
    except IntegrityError as error:
        if "shipments_tracking_code" in str(error):
            raise TrackingCodeTaken("Este código de rastreio é de outra remessa.") from error
        raise
    return shipment


def track_shipment(
    *, shipment_id: UUID, status: str, description: str, location: str, at: datetime, actor: str, now: datetime
) -> None:
    """Write down what the carrier says happened ``at`` some time. The order is delivered with its last parcel; one that
    came back is not waited for.

    The same event twice is kept once, and events may come in any order.

    Raises:
        ShipmentNotFound
        TrackedInFuture: ``at`` is later than the clocks of two machines may differ.
    """
    if at > now + CLOCK_TOLERANCE:
        raise TrackedInFuture("O evento de rastreio está no futuro.")
    known = Shipment.objects.using("order").filter(id=shipment_id).values_list("order_id", flat=True).first()
    if known is None:
        raise ShipmentNotFound("Remessa não encontrada.")
    with unit_of_work("order") as work:
        order = locked_order(known)
        assert order is not None
        event = TrackingEvent(shipment_id=shipment_id, status=status, description=description, location=location, at=at)
        TrackingEvent.objects.using("order").bulk_create([event], ignore_conflicts=True)
        parcel = Shipment.objects.using("order").get(id=shipment_id)
        if not parcel.follow(list(parcel.events.using("order").all())):
            return
        parcel.save_change()
        count_delivered(known)
        _deliver_if_arrived(work=work, order=order, actor=actor, now=now)


def end_shipping(*, work: UnitOfWork, order: Order, actor: str, now: datetime) -> None:
    """Note that nothing is left to send of an order that was sent in part, because what was left has been given back;
    if so. In the open unit of work, the order's row being locked."""
    if order.status != Status.PARTIALLY_SHIPPED:
        return
    if any(line.to_send for line in OrderLine.objects.using("order").filter(order_id=order.id)):
        return
    order.ship(everything=True, actor=actor, now=now)
    order.save_change()
    _deliver_if_arrived(work=work, order=order, actor=actor, now=now)


def _deliver_if_arrived(*, work: UnitOfWork, order: Order, actor: str, now: datetime) -> None:
    """Note that an order arrived: all of it was sent, and no parcel is under way. In the open unit of work, the order's
    row being locked."""
    if order.status != Status.SHIPPED:
        return
    parcels = list(Shipment.objects.using("order").filter(order_id=order.id))
    arrivals = [parcel.delivered_at for parcel in parcels if parcel.status == ShipmentStatus.DELIVERED]
    if arrivals and all(parcel.status in (ShipmentStatus.DELIVERED, ShipmentStatus.RETURNED) for parcel in parcels):
        _deliver(work, order, at=max(filter(None, arrivals)), actor=actor, now=now)


def _deliver(work: UnitOfWork, order: Order, *, at: datetime, actor: str, now: datetime) -> None:
    order.deliver(at=at, actor=actor, now=now)
    order.save_change()
    products = OrderLine.objects.using("order").filter(order_id=order.id).order_by("position")
    event = OrderDelivered(
        order_id=order.id,
        number=order.number,
        customer_id=order.customer_id,
        product_ids=list(dict.fromkeys(products.values_list("product_id", flat=True))),
        delivered_at=at,
    )
    work.publish(event, subject=order.id, version=order.version)


def _parcel(lines: list[OrderLine], quantities: Mapping[UUID, int] | None) -> dict[UUID, int]:
    """Return how many pieces of each line go into the parcel."""
    left = {line.id: line.to_send for line in lines}
    parcel = {line: count for line, count in (left if quantities is None else quantities).items() if count}
    if not parcel or any(count < 0 or count > left.get(line, 0) for line, count in parcel.items()):
        raise NothingToShip("Essas peças não estão por enviar.", lines={str(line): n for line, n in left.items()})
    return parcel


def _pack(shipment: Shipment, lines: list[OrderLine], parcel: Mapping[UUID, int]) -> None:
    packed = [line for line in lines if line.id in parcel]
    ShipmentLine.objects.using("order").bulk_create(
        [ShipmentLine(shipment=shipment, order_line=line, quantity=parcel[line.id]) for line in packed]
    )
    for line in packed:
        line.shipped_quantity += parcel[line.id]
    OrderLine.objects.using("order").bulk_update(packed, ["shipped_quantity"])
