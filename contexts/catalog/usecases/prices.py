"""Prices: changed one by one or in bulk, remembered, and published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from contexts.catalog.events import VariantPriceChanged
from contexts.catalog.queries.sql import fetch
from contexts.catalog.usecases.read_model import LOCK_PRODUCTS, refresh_products
from ecommerce.errors import NotFound
from ecommerce.ids import new_id
from ecommerce.money import Money
from ecommerce.unit_of_work import UnitOfWork, unit_of_work

FIND = """
    SELECT id, sku, product_id, currency FROM variants
    WHERE (id = ANY(%(ids)s) OR sku = ANY(%(skus)s)) AND deleted_at IS NULL
"""
PRODUCT_OF = "SELECT product_id FROM variants WHERE id = %s"
APPLY = """
WITH wanted AS (
    SELECT * FROM unnest(%(variants)s::uuid[], %(prices)s::numeric[], %(history)s::uuid[]) AS w (id, price, history_id)
),
locked AS (
    SELECT id, price FROM variants WHERE id = ANY(%(variants)s) ORDER BY id FOR NO KEY UPDATE
),
changed AS (
    UPDATE variants v SET price = w.price, version = v.version + 1
    FROM wanted w JOIN locked l ON l.id = w.id AND l.price <> w.price
    WHERE v.id = w.id
    RETURNING v.id, v.product_id, v.version, v.currency, l.price AS old_price, v.price AS new_price, w.history_id
),
noted AS (
    INSERT INTO price_history (id, variant_id, old_price, new_price, currency, changed_at, changed_by)
    SELECT history_id, id, old_price, new_price, currency, %(now)s, %(actor)s FROM changed
)
SELECT id, product_id, version, old_price, new_price, currency FROM changed
"""


class VariantNotFound(NotFound):
    code = "variant_not_found"


@dataclass(frozen=True, kw_only=True)
class NewPrice:
    """``row`` is the caller's number for it, used in the report. Name the variant by id or by SKU."""

    price: Money
    row: int = 0
    variant_id: UUID | None = None
    sku: str = ""


@dataclass(frozen=True, kw_only=True)
class Rejection:
    row: int
    code: str
    detail: str


@dataclass(kw_only=True)
class PriceReport:
    """How many prices changed, how many were that price already, and which rows were refused."""

    changed: int = 0
    unchanged: int = 0
    rejected: list[Rejection] = field(default_factory=list)


def change_price(*, variant_id: UUID, price: Money, actor_id: UUID | None, now: datetime) -> None:
    """Set the price of one variant. The price it has already changes nothing.

    Raises:
        VariantNotFound: also when it was removed, or is sold in another currency.
    """
    report = change_prices(prices=[NewPrice(variant_id=variant_id, price=price)], actor_id=actor_id, now=now)
    if report.rejected:
        raise VariantNotFound(report.rejected[0].detail)


def change_prices(*, prices: Sequence[NewPrice], actor_id: UUID | None, now: datetime) -> PriceReport:
    """Set the prices (at most 1,000) of all variants that exist, in one transaction, and report row by row.

    The number of statements does not depend on the number of prices. A variant named twice gets the last price.
    """
    with unit_of_work("catalog") as work:
        report = PriceReport()
        wanted = _resolve(prices, report)
        changed = apply_prices(work, prices=wanted, actor_id=actor_id, now=now)
        refresh_products(changed)
        report.changed = len(changed)
        report.unchanged = len(wanted) - report.changed
    return report


def show_price(*, variant_id: UUID) -> None:
    """Show the price of a variant as it is, after a change that bypassed the application. Idempotent."""
    with unit_of_work("catalog"):
        refresh_products(row[0] for row in fetch(PRODUCT_OF, [variant_id]))


def apply_prices(work: UnitOfWork, *, prices: Mapping[UUID, Money], actor_id: UUID | None, now: datetime) -> list[UUID]:
    """Write ``prices``, their history and their events in an open unit of work; return a product id per change.

    The caller has checked that the variants exist and that currencies match, has locked their products, and shows
    them afterwards with :func:`refresh_products`.
    """
    if not prices:
        return []
    parameters = {
        "variants": list(prices),
        "prices": [price.amount for price in prices.values()],
        "history": [new_id() for _ in prices],
        "actor": actor_id,
        "now": now,
    }
    rows = fetch(APPLY, parameters)
    for variant_id, _, version, old, new, currency in rows:
        event = VariantPriceChanged(
            variant_id=variant_id, old_price=Money(old, currency), new_price=Money(new, currency)
        )
        work.publish(event, subject=variant_id, version=version)
    return [row[1] for row in rows]


def _resolve(prices: Sequence[NewPrice], report: PriceReport) -> dict[UUID, Money]:
    """Return the new price by variant id and lock the products; put the rows that cannot be done into ``report``."""
    names = {
        "ids": [price.variant_id for price in prices if price.variant_id],
        "skus": [price.sku for price in prices if price.sku],
    }
    rows = fetch(FIND, names)
    by_name = {name: row for row in rows for name in (row[0], row[1])}
    wanted = {}
    for price in prices:
        found = by_name.get(price.variant_id or price.sku)
        if found is None:
            report.rejected.append(Rejection(row=price.row, code="variant_not_found", detail="A variante não existe."))
        elif found[3] != price.price.currency:
            detail = f"A variante é vendida em {found[3]}."
            report.rejected.append(Rejection(row=price.row, code="other_currency", detail=detail))
        else:
            wanted[found[0]] = price.price
    fetch(LOCK_PRODUCTS, [sorted({row[2] for row in rows})])
    return wanted
