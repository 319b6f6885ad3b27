"""What other contexts ask about variants."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any
from uuid import UUID

from contexts.catalog.queries.sql import fetch
from ecommerce.db import rows

VARIANTS = """
    SELECT v.id, v.product_id, v.sku, p.name, p.slug, v.options, v.price, v.currency, v.weight_grams,
           (SELECT c.ancestor_ids || c.id FROM categories c WHERE c.id = p.category_id),
           coalesce((SELECT greatest(s.on_hand - s.reserved, 0) FROM stock s WHERE s.variant_id = v.id), 0),
           v.active AND p.status = 'active',
           (SELECT m.path FROM media m WHERE m.product_id = p.id ORDER BY m.position, m.id LIMIT 1)
    FROM variants v JOIN products p ON p.id = v.product_id
    WHERE v.id IN ({ids}) AND v.deleted_at IS NULL AND p.deleted_at IS NULL
"""
"""Subqueries where joins would do: for a few variants, planning the order of joins took longer than the joins."""


def variants_by_id(ids: Sequence[UUID]) -> list[tuple[Any, ...]]:
    """Return the variants among ``ids`` that are not removed, in no order: one statement.

    Columns: id, product id, SKU, product name, slug, options as JSON text, price, currency, weight, category ids, free
    pieces, on sale, path of the first image or None.
    """
    if not ids:
        return []
    wanted = rows.padded(ids)
    return fetch(_variants(len(wanted)), wanted)


@cache
def _variants(count: int) -> str:
    """Return the statement for so many ids."""
    return VARIANTS.format(ids=", ".join(["%s"] * count))
