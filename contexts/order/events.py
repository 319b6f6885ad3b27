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
    """The order will not be fulfilled. ``was_confirmed``: its stock had been taken and its coupon used."""

    type: ClassVar[str] = "order.cancelled.v1"
    aggregate: ClassVar[str] = "order"

    order_id: UUID
    number: str
    reason: str
    was_confirmed: bool


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
