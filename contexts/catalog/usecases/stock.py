"""Goods in and corrections, by staff."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from contexts.catalog.models import MovementKind
from contexts.catalog.queries.sql import fetch
from contexts.catalog.usecases.ledger import (
    Change,
    Movement,
    move_stock,
    publish_adjustments,
    show_changes,
    tell_who_waits,
)
from contexts.catalog.usecases.read_model import refresh_products
from ecommerce.errors import NotFound
from ecommerce.unit_of_work import UnitOfWork, unit_of_work

BY_SKU = "SELECT sku, id FROM variants WHERE sku = ANY(%s) AND deleted_at IS NULL"
KNOWN = "SELECT variant_id FROM stock WHERE variant_id = ANY(%s)"
FREE = """
    SELECT v.product_id, s.on_hand - s.reserved FROM stock s JOIN variants v ON v.id = s.variant_id
    WHERE s.variant_id = %s
"""

STAFF_KINDS = (MovementKind.RECEIVE, MovementKind.RETURN, MovementKind.ADJUST)


class UnknownVariants(NotFound):
    """``unknown`` lists the SKUs or ids that do not exist."""

    code = "unknown_variants"


@dataclass(frozen=True, kw_only=True)
class StockEntry:
    """Pieces that came in, came back or were counted; name the variant by id or by SKU."""

    kind: MovementKind
    quantity: int
    variant_id: UUID | None = None
    sku: str = ""


def record_stock(
    *, entries: Sequence[StockEntry], reason: str, actor_id: UUID | None, now: datetime
) -> Sequence[Change]:
    """Write ``entries`` (at most 1,000) to the ledger, all or none, and return the free pieces before and after.

    Raises:
        UnknownVariants: a variant does not exist.
        StockTooLow: a correction would leave fewer pieces than are reserved.
    """
    with unit_of_work("catalog") as work:
        return record_stock_in(work, entries=entries, reason=reason, actor_id=actor_id, now=now)


def record_stock_in(
    work: UnitOfWork, *, entries: Sequence[StockEntry], reason: str, actor_id: UUID | None, now: datetime
) -> Sequence[Change]:
    """Do what :func:`record_stock` does in a unit of work that is open already."""
    by_sku = dict(fetch(BY_SKU, [[entry.sku for entry in entries if entry.sku]]))
    named = [(entry, entry.variant_id or by_sku.get(entry.sku)) for entry in entries]
    known = {row[0] for row in fetch(KNOWN, [[variant_id for _, variant_id in named if variant_id]])}
    if unknown := [str(entry.variant_id or entry.sku) for entry, variant_id in named if variant_id not in known]:
        raise UnknownVariants("Há variantes que não existem.", unknown=unknown)
    movements = [
        Movement(variant_id=variant_id, kind=entry.kind, quantity=entry.quantity)
        for entry, variant_id in named
        if variant_id
    ]
    changes = move_stock(movements, now=now, reason=reason, actor_id=actor_id)
    publish_adjustments(work, moves=changes)
    show_changes(work, changes=changes, now=now)
    return changes


def show_stock(*, variant_id: UUID, now: datetime) -> None:
    """Show what is free of a variant, and tell who waits if anything is, after a change that bypassed the application.

    Idempotent.
    """
    with unit_of_work("catalog") as work:
        for product_id, free in fetch(FREE, [variant_id]):
            refresh_products([product_id])
            if free > 0:
                tell_who_waits(work, variants=[variant_id], now=now)
