"""The tables of orders."""

from contexts.order.models.asking import undertake_to_ask, undertake_to_ask_next
from contexts.order.models.orders import CURRENCY, DailySales, Order, OrderLine, TimelineEntry, locked_order
from contexts.order.models.payments import (
    OPEN,
    UNSENT,
    AttemptStatus,
    LedgerEntry,
    LedgerKind,
    PaymentAttempt,
    WebhookEvent,
    payments_of,
)
from contexts.order.models.shipping import (
    Shipment,
    ShipmentLine,
    ShipmentStatus,
    ShippingMethod,
    ShippingRate,
    TrackingEvent,
)

__all__ = [
    "CURRENCY",
    "OPEN",
    "UNSENT",
    "AttemptStatus",
    "DailySales",
    "LedgerEntry",
    "LedgerKind",
    "Order",
    "OrderLine",
    "PaymentAttempt",
    "Shipment",
    "ShipmentLine",
    "ShipmentStatus",
    "ShippingMethod",
    "ShippingRate",
    "TimelineEntry",
    "TrackingEvent",
    "WebhookEvent",
    "locked_order",
    "payments_of",
    "undertake_to_ask",
    "undertake_to_ask_next",
]
