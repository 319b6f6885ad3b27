"""What catalog does when orders move on, and when the database was changed behind its back.

Whoever changes a product, a price or stock through this application shows it in the same transaction; a trigger
cannot. A reservation carries its order's id.
"""

from __future__ import annotations

from contexts.catalog.events import ProductChanged, StockAdjusted, VariantPriceChanged
from contexts.catalog.interface import StockLine
from contexts.catalog.usecases import reservations
from contexts.catalog.usecases.prices import show_price
from contexts.catalog.usecases.products import show_product
from contexts.catalog.usecases.reviews import remember_purchases
from contexts.catalog.usecases.stock import show_stock
from contexts.order.events import OrderCancelled, OrderConfirmed, OrderDelivered, OrderRefunded, ReturnReceived
from ecommerce import clock
from ecommerce.inbox import subscribe
from ecommerce.messaging.envelope import Envelope


@subscribe(ProductChanged)
def show_product_that_bypassed_us(event: ProductChanged, envelope: Envelope) -> None:
    if _bypassed_us(envelope):
        show_product(product_id=event.product_id)


@subscribe(VariantPriceChanged)
def show_price_that_bypassed_us(event: VariantPriceChanged, envelope: Envelope) -> None:
    if _bypassed_us(envelope):
        show_price(variant_id=event.variant_id)


@subscribe(StockAdjusted)
def show_stock_that_bypassed_us(event: StockAdjusted, envelope: Envelope) -> None:
    if _bypassed_us(envelope):
        show_stock(variant_id=event.variant_id, now=clock.now())


def _bypassed_us(envelope: Envelope) -> bool:
    return envelope.actor.startswith("database:")


@subscribe(OrderConfirmed)
def commit_reserved_stock(event: OrderConfirmed, envelope: Envelope) -> None:
    lines = [StockLine(variant_id=line.variant_id, quantity=line.quantity) for line in event.lines]
    reservations.commit_stock(reservation_id=event.order_id, lines=lines, now=clock.now())


@subscribe(OrderCancelled)
def give_stock_back(event: OrderCancelled, envelope: Envelope) -> None:
    """Release what is held, return what was sold; the reservation itself knows which, whatever the event says."""
    reservations.cancel_stock(reservation_id=event.order_id, now=clock.now())


@subscribe(OrderRefunded)
def put_pieces_back(event: OrderRefunded, envelope: Envelope) -> None:
    if event.restock and event.lines:
        lines = [StockLine(variant_id=line.variant_id, quantity=line.quantity) for line in event.lines]
        reservations.return_stock(reservation_id=event.order_id, lines=lines, now=clock.now())


@subscribe(ReturnReceived)
def put_returned_pieces_back(event: ReturnReceived, envelope: Envelope) -> None:
    """Only those that can be sold again are spoken of."""
    if event.lines:
        lines = [StockLine(variant_id=line.variant_id, quantity=line.quantity) for line in event.lines]
        reservations.return_stock(reservation_id=event.order_id, lines=lines, now=clock.now())


@subscribe(OrderDelivered)
def remember_delivered_products(event: OrderDelivered, envelope: Envelope) -> None:
    """Guests cannot review: they have no account to write it with."""
    if event.customer_id is None:
        return
    remember_purchases(
        customer_id=event.customer_id,
        product_ids=event.product_ids,
        order_id=event.order_id,
        delivered_at=event.delivered_at,
    )
