"""The tables of orders."""

from contexts.order.models.asking import undertake_to_ask, undertake_to_ask_next
from contexts.order.models.cases import CaseKind, CaseNotOpen, CaseStatus, Finding, StaffCase
from contexts.order.models.orders import CURRENCY, DailySales, Order, OrderLine, TimelineEntry, locked_order
from contexts.order.models.payments import (
    LET_GO,
    OPEN,
    UNSENT,
    AttemptStatus,
    LedgerEntry,
    LedgerKind,
    News,
    PaymentAttempt,
    WebhookEvent,
    balances_of,
    payments_of,
)
from contexts.order.models.refunds import Refund, RefundLine, RefundOrigin, RefundShare, RefundStatus, asked_back
from contexts.order.models.returns import ReturnLine, ReturnRequest, count_delivered
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
    "LET_GO",
    "OPEN",
    "UNSENT",
    "AttemptStatus",
    "CaseKind",
    "CaseNotOpen",
    "CaseStatus",
    "DailySales",
    "Finding",
    "LedgerEntry",
    "LedgerKind",
    "News",
    "Order",
    "OrderLine",
    "PaymentAttempt",
    "Refund",
    "RefundLine",
    "RefundOrigin",
    "RefundShare",
    "RefundStatus",
    "ReturnLine",
    "ReturnRequest",
    "Shipment",
    "ShipmentLine",
    "ShipmentStatus",
    "ShippingMethod",
    "ShippingRate",
    "StaffCase",
    "TimelineEntry",
    "TrackingEvent",
    "WebhookEvent",
    "asked_back",
    "balances_of",
    "count_delivered",
    "locked_order",
    "payments_of",
    "undertake_to_ask",
    "undertake_to_ask_next",
]
