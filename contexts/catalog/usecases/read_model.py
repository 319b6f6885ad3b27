"""The read model ``product_catalog``: brought up to date in the transaction of each write, rebuilt at any time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from uuid import UUID

from django.conf import settings

from contexts.catalog.queries.sql import execute, fetch
from ecommerce.unit_of_work import unit_of_work

REBUILD_BATCH = 500
FIRST_ID = UUID(int=0)

LOCK_PRODUCTS = "SELECT id FROM products WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE"
NEXT_PRODUCTS = "SELECT id FROM products WHERE id > %s ORDER BY id LIMIT %s"

REFRESH = """
WITH offers AS (
    SELECT v.product_id,
           min(v.price) AS price_min,
           max(v.price) AS price_max,
           (array_agg(v.currency ORDER BY v.price, v.position, v.id))[1] AS currency,
           (array_agg(v.compare_at_price ORDER BY v.price, v.position, v.id))[1] AS compare_at_price,
           (array_agg(v.id ORDER BY v.price, v.position, v.id))[1] AS variant_id,
           count(*) AS variants_count,
           coalesce(bool_or(s.on_hand > s.reserved), false) AS available,
           string_agg(v.sku, ' ') AS skus,
           jsonb_agg(jsonb_build_object(
               'id', v.id, 'sku', v.sku, 'options', v.options, 'barcode', v.barcode, 'weight_grams', v.weight_grams,
               'price', jsonb_build_object('amount', v.price::text, 'currency', v.currency),
               'compare_at_price', CASE WHEN v.compare_at_price > v.price THEN
                   jsonb_build_object('amount', v.compare_at_price::text, 'currency', v.currency) END
           ) ORDER BY v.position, v.id) AS variants
    FROM variants v
    LEFT JOIN stock s ON s.variant_id = v.id
    WHERE v.product_id = ANY(%(ids)s) AND v.active AND v.deleted_at IS NULL
    GROUP BY v.product_id
),
pictures AS (
    SELECT m.product_id,
           jsonb_agg(jsonb_build_object(
               'url', CASE WHEN m.path LIKE 'http%%' THEN m.path ELSE %(media_url)s || m.path END, 'alt', m.alt
           ) ORDER BY m.position, m.id) AS images
    FROM media m
    WHERE m.product_id = ANY(%(ids)s)
    GROUP BY m.product_id
),
choices AS (
    SELECT o.product_id,
           jsonb_agg(jsonb_build_object('name', o.name, 'values', o.values) ORDER BY o.position, o.name) AS options
    FROM product_options o
    WHERE o.product_id = ANY(%(ids)s)
    GROUP BY o.product_id
),
ratings AS (
    SELECT r.product_id, count(*) AS number, round(avg(r.rating), 2) AS average
    FROM reviews r
    WHERE r.product_id = ANY(%(ids)s) AND r.status = 'approved'
    GROUP BY r.product_id
),
rows AS (
    SELECT p.id, p.slug, p.brand, p.category_id, p.created_at,
           path.ids AS category_ids, path.slugs AS category_slugs,
           o.price_min, o.price_max, o.available,
           coalesce(r.average, 0) AS rating_average, coalesce(r.number, 0) AS rating_count,
           greatest(coalesce(b.sold, 0), 0) AS sales_count,
           card.document::text AS document,
           (card.document || jsonb_build_object(
               'description', p.description, 'version', p.version, 'breadcrumbs', path.crumbs,
               'images', coalesce(i.images, '[]'), 'options', coalesce(c.options, '[]'), 'variants', o.variants,
               'attributes', coalesce(facts.attributes, '[]'),
               'seo', jsonb_build_object('title', coalesce(nullif(p.seo_title, ''), p.name),
                                         'description', p.seo_description)
           ))::text AS detail,
           lower(ext.unaccent(p.name || ' ' || p.brand)) AS name_search,
           setweight(to_tsvector('ext.portuguese_unaccent', p.name), 'A')
               || setweight(to_tsvector('ext.portuguese_unaccent', p.brand), 'B')
               || setweight(to_tsvector('simple', o.skus), 'B')
               || setweight(to_tsvector('ext.portuguese_unaccent', path.names || ' ' || coalesce(facts.words, '')), 'C')
               || setweight(to_tsvector('ext.portuguese_unaccent', p.description), 'D') AS search
    FROM products p
    JOIN offers o ON o.product_id = p.id
    JOIN LATERAL (
        SELECT array_agg(c.id ORDER BY cardinality(c.ancestor_ids)) AS ids,
               array_agg(c.slug ORDER BY cardinality(c.ancestor_ids)) AS slugs,
               string_agg(c.name, ' ') AS names,
               jsonb_agg(jsonb_build_object('id', c.id, 'slug', c.slug, 'name', c.name)
                         ORDER BY cardinality(c.ancestor_ids)) AS crumbs
        FROM categories own
        JOIN categories c ON c.id = own.id OR c.id = ANY(own.ancestor_ids)
        WHERE own.id = p.category_id
    ) path ON true
    LEFT JOIN LATERAL (
        SELECT jsonb_agg(jsonb_build_object('code', d.code, 'name', d.name, 'unit', d.unit, 'value', a.value)
                         ORDER BY d.position, d.name) AS attributes,
               string_agg(a.value #>> '{}', ' ') FILTER (WHERE d.type IN ('text', 'choice')) AS words
        FROM jsonb_each(p.attributes) a
        JOIN attribute_definitions d ON d.code = a.key
    ) facts ON true
    LEFT JOIN pictures i ON i.product_id = p.id
    LEFT JOIN choices c ON c.product_id = p.id
    LEFT JOIN ratings r ON r.product_id = p.id
    LEFT JOIN best_sellers b ON b.product_id = p.id
    CROSS JOIN LATERAL (
        SELECT jsonb_build_object(
            'id', p.id, 'slug', p.slug, 'name', p.name, 'brand', p.brand, 'category', path.crumbs -> -1,
            'price', jsonb_build_object('amount', o.price_min::text, 'currency', o.currency),
            'price_max', jsonb_build_object('amount', o.price_max::text, 'currency', o.currency),
            'compare_at_price', CASE WHEN o.compare_at_price > o.price_min THEN
                jsonb_build_object('amount', o.compare_at_price::text, 'currency', o.currency) END,
            'image', i.images -> 0, 'available', o.available,
            'rating', jsonb_build_object('average', coalesce(r.average, 0), 'count', coalesce(r.number, 0)),
            'variant_id', CASE WHEN o.variants_count = 1 THEN o.variant_id END
        ) AS document
    ) card
    WHERE p.id = ANY(%(ids)s) AND p.status = 'active' AND p.deleted_at IS NULL
),
gone AS (
    DELETE FROM product_catalog WHERE product_id = ANY(%(ids)s) AND product_id NOT IN (SELECT id FROM rows)
)
INSERT INTO product_catalog AS old (
    product_id, slug, brand, category_id, created_at, category_ids, category_slugs, price_min, price_max, available,
    rating_average, rating_count, sales_count, document, detail, name_search, search
)
SELECT id, slug, brand, category_id, created_at, category_ids, category_slugs, price_min, price_max, available,
       rating_average, rating_count, sales_count, document, detail, name_search, search
FROM rows
ON CONFLICT (product_id) DO UPDATE SET
    slug = excluded.slug, brand = excluded.brand, category_id = excluded.category_id,
    created_at = excluded.created_at, category_ids = excluded.category_ids, category_slugs = excluded.category_slugs,
    price_min = excluded.price_min, price_max = excluded.price_max, available = excluded.available,
    rating_average = excluded.rating_average, rating_count = excluded.rating_count,
    sales_count = excluded.sales_count, document = excluded.document, detail = excluded.detail,
    name_search = excluded.name_search, search = excluded.search
"""
"""Products that are not on sale, or have no active variant, lose their row."""

REFRESH_BEST_SELLERS = "REFRESH MATERIALIZED VIEW CONCURRENTLY best_sellers"
OUTDATED_SALES = """
    SELECT c.product_id FROM product_catalog c LEFT JOIN best_sellers b ON b.product_id = c.product_id
    WHERE c.sales_count <> greatest(coalesce(b.sold, 0), 0) ORDER BY c.product_id
"""


def refresh_products(ids: Iterable[UUID]) -> None:
    """Bring the rows of these products up to date with what this transaction sees. Two statements, for any number.

    Call it last in the unit of work of a write. It locks the products first: whoever writes a product's row in the
    read model holds that lock, so an older state never overwrites a newer one.
    """
    products = sorted(set(ids))
    if not products:
        return
    fetch(LOCK_PRODUCTS, [products])
    execute(REFRESH, {"ids": products, "media_url": settings.MEDIA_URL})


def rebuild_catalog(*, batch: int = REBUILD_BATCH) -> Iterator[int]:
    """Write the whole read model anew and yield how many products were done, after each batch.

    Safe while the shop is open: every batch is a transaction of its own that locks its products only.
    """
    last, done = FIRST_ID, 0
    while True:
        with unit_of_work("catalog"):
            ids = [row[0] for row in fetch(NEXT_PRODUCTS, [last, batch])]
            refresh_products(ids)
        if not ids:
            return
        last, done = ids[-1], done + len(ids)
        yield done


def refresh_best_sellers(*, batch: int = REBUILD_BATCH) -> int:
    """Count the sales anew and show them; return how many products changed. Readers are not blocked meanwhile."""
    with unit_of_work("catalog"):
        execute(REFRESH_BEST_SELLERS)
    outdated = [row[0] for row in fetch(OUTDATED_SALES)]
    for start in range(0, len(outdated), batch):
        with unit_of_work("catalog"):
            refresh_products(outdated[start : start + batch])
    return len(outdated)
