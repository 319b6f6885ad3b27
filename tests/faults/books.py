"""I4 and I5, read from the databases and from the bank's own books: money equals goods, and every saga has ended."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tests.faults.processes import FaultFailed, until
from tests.faults.shop import Shop

SHOWN = 3
PAID = ("confirmed", "partially_shipped", "shipped", "delivered")
WAITING = ("pending", "awaiting_payment")
UNENDED = """
    SELECT saga_type, status, subject, current_step, crashes, failures FROM order_service.saga_instance
    WHERE status NOT IN ('COMPLETED', 'COMPENSATED') AND NOT (status = 'PARKED' AND saga_type = ANY(%s))
      AND NOT (status = 'WAITING' AND subject = ANY(%s::uuid[]))
"""
LEDGER = """
    SELECT a.id::text, a.order_id::text, coalesce(sum(l.amount) FILTER (WHERE l.kind = 'capture'), 0),
           coalesce(sum(l.amount) FILTER (WHERE l.kind = 'refund'), 0)
    FROM order_service.payment_attempts a LEFT JOIN order_service.payment_ledger l ON l.attempt_id = a.id
    WHERE a.order_id <> ALL(%s) GROUP BY a.id
"""
ORDERS = """
    SELECT o.id::text, o.status, o.total, coalesce(o.coupon_snapshot ->> 'code', '') <> '',
           (SELECT coalesce(sum(amount), 0) FROM order_service.refunds
            WHERE order_id = o.id AND status = 'done' AND origin = 'staff'),
           c.status, c.converted_order_id = o.id, r.status, p.status,
           (SELECT coalesce(sum(quantity), 0) FROM catalog_service.stock_reservation_lines WHERE reservation_id = o.id),
           (SELECT sum(quantity - refunded_quantity) FROM order_service.order_lines WHERE order_id = o.id)
    FROM order_service.orders o JOIN cart_service.carts c ON c.id = o.cart_id
    LEFT JOIN catalog_service.stock_reservations r ON r.id = o.id
    LEFT JOIN promotion_service.redemptions p ON p.id = o.id
    WHERE o.id <> ALL(%s)
"""
STOCK = """
    WITH moved AS (
        SELECT variant_id, sum(CASE WHEN kind IN ('receive', 'return', 'adjust') THEN quantity
                                    WHEN kind = 'sell' THEN -quantity ELSE 0 END) AS on_hand
        FROM catalog_service.stock_movements GROUP BY 1
    ), held AS (
        SELECT variant_id, sum(quantity) AS reserved FROM catalog_service.stock_reservation_lines l
        JOIN catalog_service.stock_reservations r ON r.id = l.reservation_id AND r.status = 'held' GROUP BY 1
    )
    SELECT s.variant_id, s.on_hand, m.on_hand, s.reserved, coalesce(h.reserved, 0)
    FROM catalog_service.stock s JOIN moved m USING (variant_id) LEFT JOIN held h USING (variant_id)
    WHERE s.on_hand <> m.on_hand OR s.reserved <> coalesce(h.reserved, 0)
"""
COUPONS = """
    SELECT c.code, c.usage_count, count(r.id) FROM promotion_service.coupons c
    LEFT JOIN promotion_service.redemptions r ON r.coupon_id = c.id AND r.status IN ('reserved', 'confirmed')
    GROUP BY c.id HAVING c.usage_count <> count(r.id)
"""
OUTBOXES = " UNION ALL ".join(
    f"SELECT '{context}', event_type FROM {context}_service.outbox_event"
    for context in ("identity", "catalog", "cart", "order", "promotion", "notification")
)
WEBHOOKS = "SELECT event_type, attempts, error FROM order_service.payment_webhooks WHERE processed_at IS NULL"


@dataclass(frozen=True)
class Placed:
    """One order, and what every context says of it."""

    id: str
    status: str
    total: Decimal
    uses_coupon: bool
    returned: Decimal
    cart: str
    in_cart: bool | None
    stock: str | None
    coupon: str | None
    reserved: int
    kept: int

    @property
    def worth(self) -> Decimal:
        """What the shop may keep of its money."""
        return self.total - self.returned if self.status in PAID else Decimal(0)


@dataclass(frozen=True)
class Left:
    """What a fault leaves on purpose: types of sagas that may be parked, orders that wait for their money, orders that
    were paid twice before one payment went back."""

    parked: Collection[str] = ()
    waiting: Collection[str] = ()
    paid_twice: Collection[str] = ()


NOTHING = Left()


def money_equals_goods(shop: Shop, left: Left = NOTHING, *, within: float = 90) -> str:
    """Wait until everything has come to rest, and check that I4 and I5 hold. Return how many orders there are.

    Raises:
        FaultFailed: with the first few of each kind of breach.
    """
    until(lambda: not unrest(shop, left), "all has come to rest", within=within, state=lambda: str(unrest(shop, left)))
    until(
        lambda: not breaches(shop, left), "money equals goods", within=30,
        state=lambda: "; ".join(breaches(shop, left)),
    )  # fmt: skip
    if found := unrest(shop, left):
        raise FaultFailed(f"it did not stay at rest: {found}")
    placed = Counter(order.status for order in orders(shop))
    return ", ".join(f"{count} {status}" for status, count in sorted(placed.items()))


def unrest(shop: Shop, left: Left = NOTHING) -> list[str]:
    """Return what still moves."""
    rig = shop.rig
    found = {
        "sagas (I5)": rig.query(UNENDED, [list(left.parked), list(left.waiting)]),
        "events": rig.query(OUTBOXES),
        "webhooks": rig.query(WEBHOOKS),
    }
    return [f"{name}: {len(rows)}, such as {rows[:SHOWN]}" for name, rows in found.items() if rows]


def breaches(shop: Shop, left: Left = NOTHING) -> list[str]:
    """Return what does not hold, each with the first few cases."""
    placed = orders(shop)
    checks: dict[str, list[Any]] = {
        **_money(shop, placed, left),
        "goods (I4)": [each for each in placed if not _goods_are_right(each)],
        "stock adds up (I4)": shop.rig.query(STOCK),
        "coupon": [each for each in placed if each.uses_coupon and not _coupon_is_right(each)],
        "uses of coupons": shop.rig.query(COUPONS),
        "carts": [each for each in placed if not _cart_is_right(each)],
    }
    return [f"{name}: {len(rows)}, such as {rows[:SHOWN]}" for name, rows in checks.items() if rows]


def orders(shop: Shop) -> list[Placed]:
    return [Placed(*row) for row in shop.rig.query(ORDERS, [shop.earlier])]


def _money(shop: Shop, placed: list[Placed], left: Left) -> dict[str, list[Any]]:
    """Compare the bank's books with our ledger, payment by payment, and with what orders are worth."""
    ledger = {
        attempt: (order, captured, refunded)
        for attempt, order, captured, refunded in shop.rig.query(LEDGER, [shop.earlier])
    }
    charged: dict[str, list[tuple[Decimal, Decimal]]] = defaultdict(list)
    for charge in shop.charges():
        charged[charge["reference"]].append((Decimal(charge["captured"]), Decimal(charge["refunded"])))
    net, taken = Counter[str](), Counter[str]()
    for attempt, amounts in charged.items():
        order = ledger[attempt][0] if attempt in ledger else ""
        net[order] += sum(captured - refunded for captured, refunded in amounts)  # type: ignore[assignment]
        taken[order] += sum(captured for captured, _ in amounts)  # type: ignore[assignment]
    total = {order.id: order.total for order in placed}
    return {
        "charges that are nobody's (I4)": [attempt for attempt in charged if attempt not in ledger],
        "charged twice (I4)": [
            *(attempt for attempt, amounts in charged.items() if sum(bool(each[0]) for each in amounts) > 1),
            *(order for order, sum_ in taken.items() if sum_ > total.get(order, 0) and order not in left.paid_twice),
        ],
        "bank and ledger (I4)": [
            (attempt, charged.get(attempt), captured, refunded)
            for attempt, (_, captured, refunded) in ledger.items()
            if charged.get(attempt, [(Decimal(0), Decimal(0))]) != [(captured, refunded)]
        ],
        "bank and orders (I4)": [
            (order, net[order.id], "instead of", order.worth) for order in placed if net[order.id] != order.worth
        ],
    }


def _goods_are_right(order: Placed) -> bool:
    if order.status in PAID:
        return order.stock == "committed" and order.reserved == order.kept
    if order.status in WAITING:
        return order.stock == "held" and order.reserved == order.kept
    return order.stock in (None, "released", "returned")


def _coupon_is_right(order: Placed) -> bool:
    if order.status in PAID:
        return order.coupon == "confirmed"
    if order.status in WAITING:
        return order.coupon == "reserved"
    return order.coupon in (None, "released")


def _cart_is_right(order: Placed) -> bool:
    if order.status in (*PAID, *WAITING):
        return order.cart == "converted" and bool(order.in_cart)
    return order.status != "failed" or not order.in_cart
