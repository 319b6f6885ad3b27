"""Moving stock: one rule turns ledger lines into balances, in one statement, whatever the action."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.db import IntegrityError

from contexts.catalog.events import StockAdjusted, VariantBackInStock
from contexts.catalog.models import MovementKind
from contexts.catalog.queries.sql import fetch
from contexts.catalog.usecases.read_model import refresh_products
from ecommerce.errors import Conflict
from ecommerce.ids import new_id
from ecommerce.unit_of_work import UnitOfWork

ALERTED_PER_EVENT = 500

MOVE = """
WITH entries AS (
    SELECT * FROM unnest(
        %(ids)s::uuid[], %(variants)s::uuid[], %(kinds)s::text[], %(quantities)s::int[], %(reservations)s::uuid[]
    ) AS e (id, variant_id, kind, quantity, reservation_id)
),
changes AS (
    SELECT variant_id,
           sum(CASE WHEN kind IN ('receive', 'return', 'adjust') THEN quantity
                    WHEN kind = 'sell' THEN -quantity ELSE 0 END) AS on_hand,
           sum(CASE WHEN kind = 'reserve' THEN quantity
                    WHEN kind IN ('release', 'sell') THEN -quantity ELSE 0 END) AS reserved
    FROM entries GROUP BY variant_id
),
locked AS (
    SELECT variant_id, on_hand - reserved AS available FROM stock
    WHERE variant_id = ANY(%(variants)s) ORDER BY variant_id FOR NO KEY UPDATE
),
moved AS (
    UPDATE stock s SET on_hand = s.on_hand + c.on_hand, reserved = s.reserved + c.reserved, version = s.version + 1
    FROM changes c, locked l
    WHERE s.variant_id = c.variant_id AND l.variant_id = c.variant_id
    RETURNING s.variant_id, l.available AS before, s.on_hand - s.reserved AS after,
              c.on_hand AS moved, s.on_hand, s.version
),
noted AS (
    INSERT INTO stock_movements (id, variant_id, kind, quantity, reservation_id, reason, actor_id, at)
    SELECT e.id, e.variant_id, e.kind, e.quantity, e.reservation_id, %(reason)s, %(actor)s, %(now)s
    FROM entries e JOIN moved m ON m.variant_id = e.variant_id
),
closed AS (
    UPDATE stock_reservations SET status = %(close_as)s, closed_at = %(now)s
    WHERE id = ANY(%(close)s) AND (SELECT count(*) FROM moved) >= 0
)
SELECT m.variant_id, v.product_id, m.before, m.after, m.moved, m.on_hand, m.version
FROM moved m JOIN variants v ON v.id = m.variant_id
"""
"""``closed`` waits for ``moved``: a reservation is written only by who holds the stock it is about."""

TAKE_ALERTS = """
    UPDATE stock_alerts a SET notified_at = %(now)s
    FROM variants v JOIN products p ON p.id = v.product_id JOIN stock s ON s.variant_id = v.id
    WHERE (v.id = ANY(%(variants)s) OR v.product_id = ANY(%(products)s))
      AND v.active AND v.deleted_at IS NULL AND p.status = 'active' AND p.deleted_at IS NULL AND s.on_hand > s.reserved
      AND a.variant_id = v.id AND a.notified_at IS NULL
    RETURNING a.variant_id, a.customer_id
"""
COUNT_VERSIONS = """
    UPDATE variants v SET version = v.version + n.events
    FROM unnest(%(variants)s::uuid[], %(events)s::int[]) AS n (variant_id, events), products p
    WHERE v.id = n.variant_id AND p.id = v.product_id
    RETURNING v.id, v.version - n.events, v.sku, p.name, p.slug
"""


class StockTooLow(Conflict):
    """The movement would leave fewer pieces than are reserved."""

    code = "stock_too_low"


@dataclass(frozen=True, kw_only=True)
class Movement:
    """One line for the ledger; see :class:`StockMovement` for what each kind does to the balance."""

    variant_id: UUID
    kind: MovementKind
    quantity: int
    reservation_id: UUID | None = None
    id: UUID = field(default_factory=new_id)


@dataclass(frozen=True)
class Change:
    """The free pieces of a variant before and after a movement."""

    variant_id: UUID
    product_id: UUID
    before: int
    after: int

    @property
    def sold_out(self) -> bool:
        return self.before > 0 >= self.after

    @property
    def is_back(self) -> bool:
        return self.before <= 0 < self.after


@dataclass(frozen=True)
class Moved(Change):
    """... and how many pieces came into the warehouse, or left it, and are there since."""

    moved: int
    on_hand: int
    version: int


def move_stock(
    movements: Sequence[Movement],
    *,
    now: datetime,
    reason: str = "",
    actor_id: UUID | None = None,
    close: Sequence[UUID] = (),
    close_as: str = "",
) -> list[Moved]:
    """Write ``movements`` and the balances they lead to, and close reservations: one statement, in an open transaction.

    Variants without a stock row are left out. Hand the changes to :func:`show_changes`, last before the commit.

    Raises:
        StockTooLow: a balance would fall below what is reserved. The transaction can only be rolled back.
    """
    parameters = {
        "ids": [movement.id for movement in movements],
        "variants": [movement.variant_id for movement in movements],
        "kinds": [str(movement.kind) for movement in movements],
        "quantities": [movement.quantity for movement in movements],
        "reservations": [movement.reservation_id for movement in movements],
        "reason": reason,
        "actor": actor_id,
        "now": now,
        "close": list(close),
        "close_as": close_as,
    }
    try:
        return [Moved(*row) for row in fetch(MOVE, parameters)]
    except IntegrityError as error:
        if "stock_reserved" not in str(error):
            raise
        raise StockTooLow("O movimento deixaria menos peças do que as já reservadas.") from error


def show_changes(work: UnitOfWork, *, changes: Sequence[Change], now: datetime) -> None:
    """Show in the shop what sold out or came back, and tell who waits for it. No statement when neither happened."""
    crossed = {change.product_id for change in changes if change.sold_out or change.is_back}
    refresh_products(crossed)
    if back := [change.variant_id for change in changes if change.is_back]:
        tell_who_waits(work, variants=back, now=now)


def publish_adjustments(work: UnitOfWork, *, moves: Sequence[Moved]) -> None:
    """Publish what was moved by hand; an order's moves are its own to tell."""
    for move in moves:
        if move.moved:
            event = StockAdjusted(variant_id=move.variant_id, change=move.moved, on_hand=move.on_hand)
            work.publish(event, subject=move.variant_id, version=move.version)


def tell_who_waits(
    work: UnitOfWork, *, now: datetime, variants: Sequence[UUID] = (), products: Sequence[UUID] = ()
) -> None:
    """Publish who waits for those of these variants, and of these products', that can be bought now, and note that they
    were told. Who waits for what is not on sale goes on waiting."""
    waiting: dict[UUID, list[UUID]] = {}
    asked = {"variants": sorted(variants), "products": sorted(products), "now": now}
    for variant_id, customer_id in fetch(TAKE_ALERTS, asked):
        waiting.setdefault(variant_id, []).append(customer_id)
    if not waiting:
        return
    ids = sorted(waiting)
    events = [-(-len(waiting[variant_id]) // ALERTED_PER_EVENT) for variant_id in ids]
    for variant_id, version, sku, name, slug in fetch(COUNT_VERSIONS, {"variants": ids, "events": events}):
        customers = waiting[variant_id]
        for number, start in enumerate(range(0, len(customers), ALERTED_PER_EVENT), start=1):
            event = VariantBackInStock(
                variant_id=variant_id,
                sku=sku,
                product_name=name,
                product_slug=slug,
                customer_ids=customers[start : start + ALERTED_PER_EVENT],
            )
            work.publish(event, subject=variant_id, version=version + number)
