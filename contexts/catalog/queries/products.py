"""Single products, categories and what customers see of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from contexts.catalog.models import Product
from contexts.catalog.queries.sql import fetch, fetch_one, id_or_slug

DETAIL = """
    SELECT c.detail, (
        SELECT json_object_agg(s.variant_id, s.on_hand - s.reserved)::text
        FROM variants v JOIN stock s ON s.variant_id = v.id
        WHERE v.product_id = c.product_id AND v.active AND v.deleted_at IS NULL
    )
    FROM product_catalog c WHERE {condition}
"""
FOR_STAFF = """
    SELECT p.version, jsonb_build_object(
        'id', p.id, 'slug', p.slug, 'name', p.name, 'description', p.description, 'brand', p.brand,
        'category_id', p.category_id, 'attributes', p.attributes, 'seo_title', p.seo_title,
        'seo_description', p.seo_description, 'on_sale', p.status = 'active', 'version', p.version,
        'created_at', p.created_at,
        'options', (SELECT coalesce(jsonb_agg(jsonb_build_object('name', o.name, 'values', o.values)
                                              ORDER BY o.position, o.name), '[]')
                    FROM product_options o WHERE o.product_id = p.id),
        'media', (SELECT coalesce(jsonb_agg(jsonb_build_object('path', m.path, 'alt', m.alt)
                                            ORDER BY m.position, m.id), '[]')
                  FROM media m WHERE m.product_id = p.id),
        'variants', (SELECT coalesce(jsonb_agg(jsonb_build_object(
                         'id', v.id, 'sku', v.sku, 'options', v.options,
                         'price', jsonb_build_object('amount', v.price::text, 'currency', v.currency),
                         'compare_at_price', CASE WHEN v.compare_at_price IS NOT NULL THEN
                             jsonb_build_object('amount', v.compare_at_price::text, 'currency', v.currency) END,
                         'weight_grams', v.weight_grams, 'length_mm', v.length_mm, 'width_mm', v.width_mm,
                         'height_mm', v.height_mm, 'barcode', v.barcode, 'active', v.active, 'position', v.position,
                         'on_hand', s.on_hand, 'reserved', s.reserved
                     ) ORDER BY v.position, v.id), '[]')
                     FROM variants v LEFT JOIN stock s ON s.variant_id = v.id
                     WHERE v.product_id = p.id AND v.deleted_at IS NULL)
    )::text
    FROM products p WHERE {condition} AND p.deleted_at IS NULL
"""
SHOWN = """
    SELECT encode(sha256(convert_to(jsonb_build_array(
        (SELECT jsonb_agg(to_jsonb(v) - 'version' ORDER BY v.id) FROM variants v
         WHERE v.product_id = %(product)s AND v.deleted_at IS NULL),
        (SELECT jsonb_agg(o ORDER BY o.id) FROM product_options o WHERE o.product_id = %(product)s),
        (SELECT jsonb_agg(m ORDER BY m.id) FROM media m WHERE m.product_id = %(product)s)
    )::text, 'UTF8')), 'hex')
"""
"""Versions of variants tell too much and too little: stock that is back raises them, an import does not."""

CATEGORIES = """
    SELECT id, parent_id, slug, name, seo_title, seo_description FROM categories
    ORDER BY cardinality(ancestor_ids), position, name
"""
REVIEWS = """
    SELECT id, rating, title, body, author_name, verified_purchase, created_at FROM reviews
    WHERE product_id = %(product)s AND status = 'approved'
      AND (%(at)s::timestamptz IS NULL OR (created_at, id) < (%(at)s, %(id)s))
    ORDER BY created_at DESC, id DESC LIMIT %(limit)s
"""
REVIEWS_TO_MODERATE = """
    SELECT r.id, r.product_id, p.name AS product_name, r.rating, r.title, r.body, r.author_name, r.verified_purchase,
           r.status, r.created_at
    FROM reviews r JOIN products p ON p.id = r.product_id
    WHERE r.status = %(status)s AND (%(at)s::timestamptz IS NULL OR (r.created_at, r.id) < (%(at)s, %(id)s))
    ORDER BY r.created_at DESC, r.id DESC LIMIT %(limit)s
"""
PRODUCT_EXISTS = "SELECT 1 FROM product_catalog WHERE product_id = %s"
FAVOURITES = """
    SELECT c.document, f.created_at, f.id FROM favourites f JOIN product_catalog c ON c.product_id = f.product_id
    WHERE f.customer_id = %(customer)s AND (%(at)s::timestamptz IS NULL OR (f.created_at, f.id) < (%(at)s, %(id)s))
    ORDER BY f.created_at DESC, f.id DESC LIMIT %(limit)s
"""
REVIEW_FIELDS = ("id", "rating", "title", "body", "author_name", "verified_purchase", "created_at")
MODERATION_FIELDS = (
    "id", "product_id", "product_name", "rating", "title", "body", "author_name", "verified_purchase", "status",
    "created_at",
)  # fmt: skip

After = Sequence[Any] | None
"""Time and id of the last row of the page before."""


def product_detail(named: str) -> bytes | None:
    """Return the product page of a product on sale, by slug or id, as JSON; None if there is none.

    ``stock`` in it maps each variant to its free pieces at this moment.
    """
    key = id_or_slug(named)
    row = fetch_one(DETAIL.format(condition="c.product_id = %s" if isinstance(key, UUID) else "c.slug = %s"), [key])
    if row is None:
        return None
    return f'{row[0][:-1]}, "stock": {row[1] or "{}"}}}'.encode()


def product_for_staff(named: str) -> tuple[int, bytes] | None:
    """Return the version of a product, on sale or not, and all that staff may change of it, as JSON."""
    key = id_or_slug(named)
    row = fetch_one(FOR_STAFF.format(condition="p.id = %s" if isinstance(key, UUID) else "p.slug = %s"), [key])
    return (row[0], row[1].encode()) if row else None


def state_of(product: Product) -> str:
    """Return what differs after any change to the product, its variants, options or images, but not to their stock."""
    [(shown,)] = fetch(SHOWN, {"product": product.id})
    return f"{product.version}-{shown}"


def category_tree() -> list[dict[str, Any]]:
    """Return the root categories in display order, each with its ``children``."""
    roots: list[dict[str, Any]] = []
    children: dict[UUID, list[dict[str, Any]]] = {}
    for id_, parent_id, slug, name, seo_title, seo_description in fetch(CATEGORIES):
        node = {
            "id": id_,
            "slug": slug,
            "name": name,
            "seo": {"title": seo_title or name, "description": seo_description},
            "children": children.setdefault(id_, []),
        }
        (children[parent_id] if parent_id else roots).append(node)
    return roots


def approved_reviews(product_id: UUID, *, limit: int, after: After) -> list[dict[str, Any]] | None:
    """Return a product's reviews, newest first; None if there are none because the product is not on sale."""
    rows = fetch(REVIEWS, {"product": product_id, "limit": limit, **_after(after)})
    if not rows and fetch_one(PRODUCT_EXISTS, [product_id]) is None:
        return None
    return [dict(zip(REVIEW_FIELDS, row, strict=True)) for row in rows]


def reviews_by_status(status: str, *, limit: int, after: After) -> list[dict[str, Any]]:
    """Return the reviews of all products in a moderation status, newest first."""
    rows = fetch(REVIEWS_TO_MODERATE, {"status": status, "limit": limit, **_after(after)})
    return [dict(zip(MODERATION_FIELDS, row, strict=True)) for row in rows]


def favourite_products(customer_id: UUID, *, limit: int, after: After) -> list[tuple[str, datetime, UUID]]:
    """Return the customer's favourites that are on sale, newest first: their JSON, when, and the favourite's id."""
    return fetch(FAVOURITES, {"customer": customer_id, "limit": limit, **_after(after)})


def _after(after: After) -> dict[str, Any]:
    return {"at": after[0], "id": after[1]} if after else {"at": None, "id": None}


def version_of(product_id: UUID) -> int | None:
    """Return the version of a product that is not removed."""
    row = fetch_one("SELECT version FROM products WHERE id = %s AND deleted_at IS NULL", [product_id])
    return row[0] if row else None
