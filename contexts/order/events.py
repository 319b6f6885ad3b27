"""What order publishes. Aggregate ``order``. Events carry ids, never personal data: ask the interface for it."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from ecommerce.money import Money


@dataclass(frozen=True, kw_only=True)
class OrderedLine:
    variant_id: UUID
    product_id: UUID
    quantity: int
    unit_price: Money


@dataclass(frozen=True, kw_only=True)
class OrderPlaced:
    """An order stands and waits for its payment (a boleto, a Pix). Orders paid at once skip this event."""

    type: ClassVar[str] = "order.placed.v1"
    aggregate: ClassVar[str] = "order"

    order_id: UUID
    number: str


@dataclass(frozen=True, kw_only=True)
class OrderConfirmed:
    """The order is paid in full. Its reservation and redemption carry the order's id."""

    type: ClassVar[str] = "order.confirmed.v1"
    aggregate: ClassVar[str] = "order"

    order_id: UUID
    number: str
    customer_id: UUID | None
    cart_id: UUID | None
    lines: list[OrderedLine]
    total: Money
    coupon_code: str
    confirmed_at: datetime


@dataclass(frozen=True, kw_only=True)
class OrderCancelled:
    """The order will not be fulfilled. ``was_confirmed``: its stock had been taken and its coupon used.

    ``had_money``: something had been paid all the same, and goes back.
    """

    type: ClassVar[str] = "order.cancelled.v1"
    aggregate: ClassVar[str] = "order"

    order_id: UUID
    number: str
    reason: str
    was_confirmed: bool
    had_money: bool = False


@dataclass(frozen=True, kw_only=True)
class RefundedLine:
    variant_id: UUID
    quantity: int


@dataclass(frozen=True, kw_only=True)
class OrderRefunded:
    """Money of an order that stands went back to its buyer: ``amount``, with its interest.

    ``of_sale`` is what of it had been paid for the order; the rest had been paid beyond its total. None from before it
    was told: all.
    ``lines`` are the pieces it was for, none if it was paid twice or given back at the gateway. ``restock``: they can
    be sold again.
    """

    type: ClassVar[str] = "order.refunded.v1"
    aggregate: ClassVar[str] = "order"

    order_id: UUID
    number: str
    refund_id: UUID
    amount: Money
    reason: str
    lines: list[RefundedLine]
    restock: bool
    refunded_at: datetime
    of_sale: Money | None = None


@dataclass(frozen=True, kw_only=True)
class ReturnRequested:
    """The buyer wants to give pieces back. ``approved``: a withdrawal in time, which asks nobody."""

    type: ClassVar[str] = "order.return_requested.v1"
    aggregate: ClassVar[str] = "order"

    order_id: UUID
    number: str
    return_id: UUID
    reason: str
    approved: bool


@dataclass(frozen=True, kw_only=True)
class ReturnApproved:
    """The buyer may send the pieces of a return; ``answer`` tells how."""

    type: ClassVar[str] = "order.return_approved.v1"
    aggregate: ClassVar[str] = "order"

    order_id: UUID
    number: str
    return_id: UUID
    answer: str


@dataclass(frozen=True, kw_only=True)
class ReturnRefused:
    """A return was refused; ``answer`` tells why."""

    type: ClassVar[str] = "order.return_refused.v1"
    aggregate: ClassVar[str] = "order"

    order_id: UUID
    number: str
    return_id: UUID
    answer: str


@dataclass(frozen=True, kw_only=True)
class ReturnReceived:
    """Pieces of an order came back; ``lines`` are those that can be sold again. Their refund is another event."""

    type: ClassVar[str] = "order.return_received.v1"
    aggregate: ClassVar[str] = "order"

    order_id: UUID
    number: str
    return_id: UUID
    lines: list[RefundedLine]


@dataclass(frozen=True, kw_only=True)
class OrderShipped:
    """A parcel with some or all lines left the warehouse."""

    type: ClassVar[str] = "order.shipped.v1"
    aggregate: ClassVar[str] = "order"

    order_id: UUID
    number: str
    carrier: str
    tracking_code: str


@dataclass(frozen=True, kw_only=True)
class OrderDelivered:
    """Every parcel arrived; the buyer may review these products."""

    type: ClassVar[str] = "order.delivered.v1"
    aggregate: ClassVar[str] = "order"

    order_id: UUID
    number: str
    customer_id: UUID | None
    product_ids: list[UUID]
    delivered_at: datetime
