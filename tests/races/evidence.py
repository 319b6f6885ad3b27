"""What all books say of the orders since a moment: the shop's databases, the bank's books, the mail server."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from tests.e2e.replay.books import CONTEXTS, PARKED, Books, Rows
from tests.e2e.replay.client import Bank

NOTHING = Decimal(0)

ORDERS = """
    SELECT id::text, status, total, coalesce(coupon_snapshot ->> 'code', '') FROM {schema}.orders WHERE placed_at >= %s
"""
LINES = """
    SELECT l.order_id::text, l.variant_id::text, l.quantity FROM {schema}.order_lines l
    JOIN {schema}.orders o ON o.id = l.order_id WHERE o.placed_at >= %s
"""
PAYMENTS = """
    SELECT a.id::text, a.order_id::text, a.interest,
           coalesce(sum(l.amount) FILTER (WHERE l.kind = 'capture'), 0),
           coalesce(sum(l.amount) FILTER (WHERE l.kind = 'refund'), 0)
    FROM {schema}.payment_attempts a JOIN {schema}.orders o ON o.id = a.order_id
    LEFT JOIN {schema}.payment_ledger l ON l.attempt_id = a.id
    WHERE o.placed_at >= %s GROUP BY a.id
"""
REFUNDS = """
    SELECT r.order_id::text, r.origin, r.status, sum(s.amount - s.interest), sum(s.interest)
    FROM {schema}.refunds r JOIN {schema}.orders o ON o.id = r.order_id
    JOIN {schema}.refund_shares s ON s.refund_id = r.id WHERE o.placed_at >= %s GROUP BY r.id
"""
RESTOCKED = """
    SELECT r.order_id::text, l.variant_id::text, b.quantity
    FROM {schema}.refunds r JOIN {schema}.orders o ON o.id = r.order_id
    JOIN {schema}.refund_lines b ON b.refund_id = r.id JOIN {schema}.order_lines l ON l.id = b.order_line_id
    WHERE o.placed_at >= %s AND r.restock AND r.status = 'done'
"""
RETURNED = """
    SELECT r.order_id::text, l.variant_id::text, b.sellable_quantity
    FROM {schema}.returns r JOIN {schema}.orders o ON o.id = r.order_id
    JOIN {schema}.return_lines b ON b.request_id = r.id JOIN {schema}.order_lines l ON l.id = b.order_line_id
    WHERE o.placed_at >= %s AND b.sellable_quantity > 0
"""
STOCK = """
    SELECT s.variant_id::text, s.on_hand, s.reserved,
           coalesce(sum(m.quantity) FILTER (WHERE m.kind IN ('receive', 'adjust')), 0)::int,
           coalesce(sum(CASE m.kind WHEN 'sell' THEN m.quantity WHEN 'return' THEN -m.quantity END), 0)::int,
           coalesce(sum(CASE WHEN m.kind = 'reserve' THEN m.quantity WHEN m.kind IN ('release', 'sell')
                             THEN -m.quantity END), 0)::int
    FROM {schema}.stock s LEFT JOIN {schema}.stock_movements m ON m.variant_id = s.variant_id
    WHERE s.variant_id = ANY(%s::uuid[]) GROUP BY s.variant_id
"""
SOLD = """
    SELECT reservation_id::text, variant_id::text,
           sum(CASE kind WHEN 'sell' THEN quantity WHEN 'return' THEN -quantity ELSE 0 END)::int
    FROM {schema}.stock_movements WHERE reservation_id = ANY(%s::uuid[]) GROUP BY 1, 2
"""
HELD = """
    SELECT r.id::text, l.variant_id::text, l.quantity FROM {schema}.stock_reservations r
    JOIN {schema}.stock_reservation_lines l ON l.reservation_id = r.id
    WHERE r.status = 'held' AND r.id = ANY(%s::uuid[])
"""
REDEMPTIONS = "SELECT id::text, status FROM {schema}.redemptions WHERE id = ANY(%s::uuid[]) AND coupon_id IS NOT NULL"
COUPONS = """
    SELECT c.code, c.usage_limit, c.per_customer_limit, c.usage_count, c.confirmed_count,
           count(r.id) FILTER (WHERE r.status IN ('reserved', 'confirmed'))::int,
           count(r.id) FILTER (WHERE r.status = 'confirmed')::int,
           coalesce((SELECT max(u.uses) FROM {schema}.coupon_customer_uses u WHERE u.coupon_id = c.id), 0)
    FROM {schema}.coupons c LEFT JOIN {schema}.redemptions r ON r.coupon_id = c.id
    WHERE c.code = ANY(%s) GROUP BY c.id
"""
SAGAS = """
    SELECT saga_type, subject::text, status FROM {schema}.saga_instance
    WHERE created_at >= %s AND status NOT IN ('COMPLETED', 'COMPENSATED')
"""
CONFIRMATIONS = """
    SELECT about, status, provider_id FROM {schema}.messages
    WHERE channel = 'email' AND kind = 'order_confirmed' AND created_at >= %s
"""
MOVING = {
    "outbox": "SELECT count(*) FROM {schema}.outbox_event WHERE status <> 'PARKED'",
    "sagas": """SELECT count(*) FROM {schema}.saga_instance
                WHERE created_at >= %s AND status IN ('RUNNING', 'WAITING', 'COMPENSATING')""",
}
OPEN_WEBHOOKS = "SELECT count(*) FROM {schema}.payment_webhooks WHERE processed_at IS NULL"
OPEN_MESSAGES = """
    SELECT count(*) FROM {schema}.messages WHERE created_at >= %s AND status IN ('queued', 'sending')
"""


@dataclass(kw_only=True)
class Order:
    """What was ordered, and what the books of stock, coupons, refunds and messages have under its id."""

    status: str
    total: Decimal
    coupon: str = ""
    pieces: Counter[str] = field(default_factory=Counter)
    sold: Counter[str] = field(default_factory=Counter)
    held: Counter[str] = field(default_factory=Counter)
    restocked: Counter[str] = field(default_factory=Counter)
    refunded: Decimal = NOTHING
    """Of its total; what had been paid beyond it is no part of this."""
    refunded_interest: Decimal = NOTHING
    refunds_open: int = 0
    redemption: str = ""
    confirmations: list[str] = field(default_factory=list)
    """The ``Message-ID`` of each confirmation that was sent, empty for one that was not."""


@dataclass(kw_only=True)
class Payment:
    """One attempt, by our ledger and by the bank's books."""

    order: str
    interest: Decimal = NOTHING
    captured: Decimal = NOTHING
    refunded: Decimal = NOTHING
    captured_by_bank: Decimal = NOTHING
    refunded_by_bank: Decimal = NOTHING
    charges: int = 0
    """How many the bank has under its reference."""


@dataclass(frozen=True, kw_only=True)
class Stock:
    """A variant: its balance, and what the ledger makes of it."""

    on_hand: int
    reserved: int
    received: int
    sold: int
    reserved_by_ledger: int


@dataclass(frozen=True, kw_only=True)
class Coupon:
    """A coupon: its limits, its counters, and how many redemptions there are."""

    limit: int | None
    per_customer: int | None
    used: int
    confirmed: int
    redemptions: int
    confirmed_redemptions: int
    most_by_one: int


@dataclass(frozen=True, kw_only=True)
class Evidence:
    orders: Mapping[str, Order]
    payments: Mapping[str, Payment]
    stock: Mapping[str, Stock]
    coupons: Mapping[str, Coupon]
    sagas: Sequence[tuple[str, str, str]] = ()
    """Type, subject and status of those that have not ended well."""
    parked: int = 0
    charges_of_nobody: Sequence[str] = ()
    """References at the bank that no payment of ours has."""
    mails: Counter[str] | None = None
    """How often each ``Message-ID`` arrived; None without a mail server of ours."""


@dataclass(frozen=True)
class Scene:
    """What an audit is about: orders placed since a moment, the variants they are of, the coupons they may have."""

    since: datetime
    variants: Sequence[str]
    coupons: Sequence[str] = ()


def moving(books: Books, scene: Scene) -> dict[str, int]:
    """Return what is still under way: counts by name, without those that are zero."""
    since = [scene.since]
    counts = {
        "outbox": _sum(books.rows(context, MOVING["outbox"]) for context in CONTEXTS),
        "queues": books.queued(),
        "sagas": _sum(books.rows(context, MOVING["sagas"], since) for context in CONTEXTS),
        "webhooks": _sum([books.rows("order", OPEN_WEBHOOKS)]),
        "messages": _sum([books.rows("notification", OPEN_MESSAGES, since)]),
    }
    return {name: count for name, count in counts.items() if count}


def gather(books: Books, bank: Bank, scene: Scene, mails: Counter[str] | None) -> Evidence:
    """Read all books. They must have come to rest."""
    orders = _orders(books, scene)
    payments, of_nobody = _payments(books, bank, scene)
    return Evidence(
        orders=orders,
        payments=payments,
        stock={row[0]: _stock(row) for row in books.rows("catalog", STOCK, [list(scene.variants)])},
        coupons={row[0]: _coupon(row) for row in books.rows("promotion", COUPONS, [list(scene.coupons)])},
        sagas=[row for context in CONTEXTS for row in books.rows(context, SAGAS, [scene.since])],
        parked=_sum(books.rows(context, PARKED) for context in CONTEXTS),
        charges_of_nobody=of_nobody,
        mails=mails,
    )


def _orders(books: Books, scene: Scene) -> dict[str, Order]:
    since = [scene.since]
    orders = {
        id_: Order(status=status, total=total, coupon=coupon)
        for id_, status, total, coupon in books.rows("order", ORDERS, since)
    }
    ids = [list(orders)]
    for id_, variant, quantity in books.rows("order", LINES, since):
        orders[id_].pieces[variant] += quantity
    for id_, variant, quantity in [*books.rows("order", RESTOCKED, since), *books.rows("order", RETURNED, since)]:
        orders[id_].restocked[variant] += quantity
    for id_, variant, quantity in books.rows("catalog", SOLD, ids):
        orders[id_].sold[variant] += quantity
    for id_, variant, quantity in books.rows("catalog", HELD, ids):
        orders[id_].held[variant] += quantity
    for id_, origin, status, part, interest in books.rows("order", REFUNDS, since):
        orders[id_].refunds_open += status != "done"
        orders[id_].refunded_interest += interest
        orders[id_].refunded += part if origin != "surplus" else NOTHING
    for id_, status in books.rows("promotion", REDEMPTIONS, ids):
        orders[id_].redemption = status
    for id_, status, provider_id in books.rows("notification", CONFIRMATIONS, since):
        if id_ in orders:
            orders[id_].confirmations.append(provider_id if status == "sent" else "")
    return orders


def _payments(books: Books, bank: Bank, scene: Scene) -> tuple[dict[str, Payment], list[str]]:
    payments = {
        id_: Payment(order=order, interest=interest, captured=captured, refunded=refunded)
        for id_, order, interest, captured, refunded in books.rows("order", PAYMENTS, [scene.since])
    }
    of_nobody = []
    since = f"{scene.since:%Y-%m-%dT%H:%M:%S}Z"
    for charge in bank.charges(changed_since=since):
        payment = payments.get(charge["reference"])
        if payment is not None:
            payment.captured_by_bank += Decimal(charge["captured"])
            payment.refunded_by_bank += Decimal(charge["refunded"])
            payment.charges += 1
        elif charge["created_at"] >= since:
            of_nobody.append(charge["reference"])
    return payments, of_nobody


def _stock(row: tuple[Any, ...]) -> Stock:
    _, on_hand, reserved, received, sold, by_ledger = row
    return Stock(on_hand=on_hand, reserved=reserved, received=received, sold=sold, reserved_by_ledger=by_ledger)


def _coupon(row: tuple[Any, ...]) -> Coupon:
    _, limit, per_customer, used, confirmed, redemptions, confirmed_redemptions, most = row
    return Coupon(
        limit=limit, per_customer=per_customer, used=used, confirmed=confirmed, redemptions=redemptions,
        confirmed_redemptions=confirmed_redemptions, most_by_one=most,
    )  # fmt: skip


def _sum(found: Iterable[Rows]) -> int:
    return sum(int(rows[0][0]) for rows in found)
