"""How an order looks on the wire."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from contexts.order.domain.instalments import Plan
from contexts.order.models import OPEN, Order, OrderLine, PaymentAttempt, Refund, ReturnRequest, Shipment, TimelineEntry
from contexts.order.usecases.price_checkout import PricedCheckout
from contexts.order.views.payment_codes import code_links
from contexts.order.views.tokens import access_token
from ecommerce.money import Money

ROW = ("id", "number", "status", "total", "currency", "placed_at")


def order_document(
    order: Order, lines: Iterable[OrderLine], payments: Iterable[PaymentAttempt], *, for_buyer: bool = True
) -> dict[str, Any]:
    """Return an order with its lines and payments, each in order.

    Only the buyer is given the token: with it somebody who may but look at orders could also cancel and pay them.
    """
    return {
        **order_row({name: getattr(order, name) for name in ROW}),
        "email": order.email,
        "access_token": access_token(order.id) if for_buyer else "",
        "cart_id": order.cart_id,
        "lines": [
            {
                "id": line.id, "variant_id": line.variant_id, "product_id": line.product_id, "sku": line.sku,
                "name": line.name, "options": line.options, "image_url": line.image_url, "quantity": line.quantity,
                "shipped_quantity": line.shipped_quantity, "refunded_quantity": line.refunded_quantity,
                "returnable_quantity": line.returnable,
                "unit_price": _money(line.unit_price, order),
                "discount": _money(line.discount, order), "total": _money(line.total, order),
            }
            for line in lines
        ],
        "items_total": _money(order.items_total, order),
        "shipping_total": _money(order.shipping_total, order),
        "discount_total": _money(order.discount_total, order),
        "address": {name: value for name, value in order.address_snapshot.items() if name != "payer"},
        "shipping": order.shipping_snapshot,
        "coupon": order.coupon_snapshot,
        "payments": [payment_document(payment) for payment in payments],
        "confirmed_at": order.confirmed_at,
        "cancelled_at": order.cancelled_at,
        "cancel_reason": order.cancel_reason,
        "delivered_at": order.delivered_at,
    }  # fmt: skip


def order_row(row: dict[str, Any]) -> dict[str, Any]:
    """Return an order as it stands in a list."""
    return {
        "id": row["id"],
        "number": row["number"],
        "status": row["status"],
        "total": Money(row["total"], row["currency"]),
        "placed_at": row["placed_at"],
    }


def payment_document(payment: PaymentAttempt) -> dict[str, Any]:
    """Return a payment; ``expires_at`` only as long as the buyer has to do something."""
    return {
        "id": payment.id, "method": payment.method, "amount": payment.money,
        "interest": payment.charged - payment.money, "charged": payment.charged, "instalments": payment.instalments,
        "status": payment.status, "decline_code": payment.decline_code, "client_data": payment.client_data,
        "codes": code_links(payment.id, payment.status, payment.client_data),
        "expires_at": payment.expires_at if payment.status in OPEN else None,
        "card": {name: payment.instrument.get(name, "") for name in ("brand", "last4")},
    }  # fmt: skip


def refund_document(refund: Refund) -> dict[str, Any]:
    """Return a refund with the pieces it is for; they should be prefetched."""
    return {
        "id": refund.id, "order_id": refund.order_id, "origin": refund.origin, "status": refund.status,
        "amount": refund.money, "reason": refund.reason, "restock": refund.restock,
        "requested_at": refund.requested_at, "done_at": refund.done_at,
        "lines": [
            {
                "line_id": line.order_line_id, "quantity": line.quantity,
                "amount": Money(line.amount, refund.currency), "freight": Money(line.freight, refund.currency),
            }
            for line in refund.lines.all()
        ],
    }  # fmt: skip


def return_document(request: ReturnRequest) -> dict[str, Any]:
    """Return a return with its pieces; they should be prefetched."""
    return {
        "id": request.id, "order_id": request.order_id, "status": request.status, "reason": request.reason,
        "note": request.note, "freight": request.freight, "answer": request.answer,
        "requested_at": request.requested_at, "changed_at": request.changed_at, "refund_id": request.refund_id,
        "lines": [{"line_id": line.order_line_id, "quantity": line.quantity} for line in request.lines.all()],
    }  # fmt: skip


def tracking_document(order: Order, shipments: Iterable[Shipment], timeline: Iterable[TimelineEntry]) -> dict[str, Any]:
    """Return where an order is; the events of its parcels must be prefetched."""
    return {
        "order_id": order.id,
        "status": order.status,
        "shipments": [shipment_document(shipment) for shipment in shipments],
        "timeline": [{"status": entry.to_status, "at": entry.at} for entry in timeline],
    }


def shipment_document(shipment: Shipment) -> dict[str, Any]:
    """Return a parcel with its events, which must be prefetched."""
    events = sorted(shipment.events.all(), key=lambda event: event.at)
    return {
        "id": shipment.id, "carrier": shipment.carrier, "tracking_code": shipment.tracking_code,
        "status": shipment.status, "shipped_at": shipment.shipped_at, "delivered_at": shipment.delivered_at,
        "events": [
            {"status": event.status, "description": event.description, "location": event.location, "at": event.at}
            for event in events
        ],
    }  # fmt: skip


def preview_document(priced: PricedCheckout, instalments: Iterable[Plan]) -> dict[str, Any]:
    """Return what a cart would cost, line by line and rule by rule."""
    return {
        "cart_id": priced.cart.id,
        "cart_version": priced.cart.version,
        "lines": [
            {
                "variant_id": line.variant.id, "sku": line.variant.sku, "name": line.variant.product_name,
                "quantity": line.quantity, "available": line.variant.available, "unit_price": line.variant.price,
                "discount": line.discount, "total": line.gross - line.discount,
            }
            for line in priced.lines
        ],
        "discounts": priced.quote.applied,
        "coupon_refusal": priced.quote.coupon_refusal,
        "shipping_options": priced.options,
        "instalment_options": [instalment_document(plan) for plan in instalments],
        "items_total": priced.totals.items,
        "shipping_total": priced.totals.shipping,
        "discount_total": priced.totals.discount,
        "total": priced.totals.due,
    }  # fmt: skip


def instalment_document(plan: Plan) -> dict[str, Any]:
    """Return one way to pay by card."""
    return {
        "count": plan.count, "first": plan.instalments[0], "others": plan.instalments[-1], "interest": plan.interest,
        "total": plan.total, "monthly_rate": plan.monthly_rate, "bearer": plan.bearer,
    }  # fmt: skip


def _money(amount: Decimal, order: Order) -> Money:
    return Money(amount, order.currency)
