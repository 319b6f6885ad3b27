"""The whole catalog as our own CSV, streamed."""

from __future__ import annotations

from collections.abc import Iterator

from django.db import connections

from contexts.catalog.domain.imports import COLUMNS
from contexts.catalog.queries.sql import ALIAS

STATEMENT = """
COPY (
    WITH sold AS (
        SELECT v.*, s.on_hand, row_number() OVER (PARTITION BY v.product_id ORDER BY v.position, v.id) AS row
        FROM variants v JOIN stock s ON s.variant_id = v.id WHERE v.deleted_at IS NULL
    ),
    shown AS (
        SELECT m.*, row_number() OVER (PARTITION BY m.product_id ORDER BY m.position, m.id) AS row FROM media m
    ),
    ways AS (
        SELECT product_id, array_agg(name ORDER BY position, name) AS names FROM product_options GROUP BY product_id
    ),
    lines AS (
        SELECT coalesce(v.product_id, m.product_id) AS product_id, coalesce(v.row, m.row) AS row, v.sku, v.options,
               v.price, v.compare_at_price, v.weight_grams, v.length_mm, v.width_mm, v.height_mm, v.barcode, v.on_hand,
               m.path, m.alt
        FROM sold v FULL JOIN shown m ON m.product_id = v.product_id AND m.row = v.row
    )
    SELECT p.slug,
           CASE WHEN l.row = 1 THEN {name} END,
           CASE WHEN l.row = 1 THEN {description} END,
           CASE WHEN l.row = 1 THEN {brand} END,
           CASE WHEN l.row = 1 THEN (
               SELECT {category} FROM categories own
               JOIN categories c ON c.id = own.id OR c.id = ANY(own.ancestor_ids) WHERE own.id = p.category_id) END,
           CASE WHEN l.row = 1 THEN p.status END,
           CASE WHEN l.row = 1 AND p.attributes <> '{{}}' THEN p.attributes END,
           CASE WHEN l.row = 1 THEN {seo_title} END,
           CASE WHEN l.row = 1 THEN {seo_description} END,
           CASE WHEN l.row = 1 THEN {option1} END, {value1},
           CASE WHEN l.row = 1 THEN {option2} END, {value2},
           CASE WHEN l.row = 1 THEN {option3} END, {value3},
           {sku}, l.price, l.compare_at_price, l.weight_grams, l.length_mm, l.width_mm, l.height_mm, {barcode},
           l.on_hand, {path}, {alt}
    FROM lines l
    JOIN products p ON p.id = l.product_id AND p.deleted_at IS NULL
    LEFT JOIN ways w ON w.product_id = p.id
    ORDER BY p.created_at, p.id, l.row
) TO STDOUT WITH (FORMAT csv)
"""
TEXTS = {
    **{name: f"p.{name}" for name in ("name", "description", "brand", "seo_title", "seo_description")},
    **{name: f"l.{name}" for name in ("sku", "barcode", "path", "alt")},
    **{f"option{number}": f"w.names[{number}]" for number in (1, 2, 3)},
    **{f"value{number}": f"l.options ->> w.names[{number}]" for number in (1, 2, 3)},
    "category": "string_agg(c.name, ' > ' ORDER BY cardinality(c.ancestor_ids))",
}
"""What people wrote: no spreadsheet may take it for a formula."""
SHOWN = r"regexp_replace({}, '^(''*[=+@\t\r-])', '''\1')"
"""Puts an apostrophe before what ``FORMULA`` of the import describes, which takes it off again."""
EXPORT = STATEMENT.format(**{name: SHOWN.format(text) for name, text in TEXTS.items()})


def export_csv() -> Iterator[bytes]:
    """Yield the catalog in pieces, as a file that :func:`import_catalog` takes back. Holds a connection meanwhile.

    Variants that were withdrawn are in it and look like the others: an import leaves them withdrawn.
    """
    yield (",".join(COLUMNS) + "\n").encode()
    with connections[ALIAS].cursor() as cursor, cursor.copy(EXPORT) as copy:
        for piece in copy:
            yield bytes(piece)
