"""The statements of an import. Each takes all rows of a batch as one JSON array.

Of what exists, a column is left as it is whose key is not in the row's object (``jsonb_populate_record``).
"""

SERIALIZE = "SELECT pg_advisory_xact_lock(hashtext('catalog import'))"
"""One batch at a time: two imports of the same new products would otherwise each believe to be first."""

KNOWN_PRODUCTS = "SELECT slug FROM products WHERE slug = ANY(%s) AND deleted_at IS NULL"
"""Read before the lock, because categories are locked before products."""

LOCK_PRODUCTS = """
    SELECT slug, id FROM products WHERE slug = ANY(%s) AND deleted_at IS NULL ORDER BY id FOR NO KEY UPDATE
"""
KNOWN_VARIANTS = """
    SELECT v.id, v.sku, v.product_id, v.options, v.price, v.currency FROM variants v
    WHERE v.deleted_at IS NULL AND (v.sku = ANY(%(skus)s) OR v.product_id = ANY(%(products)s))
    ORDER BY v.id FOR NO KEY UPDATE
"""
OPTION_VALUES = "SELECT product_id, name, values FROM product_options WHERE product_id = ANY(%s)"
UPSERT_PRODUCTS = """
    INSERT INTO products AS old (id, slug, name, description, brand, category_id, attributes, seo_title,
                                 seo_description, status, version, created_at)
    SELECT n.id, n.slug, n.name, n.description, n.brand, n.category_id, n.attributes, n.seo_title, n.seo_description,
           n.status, 1, %(now)s
    FROM jsonb_array_elements(%(rows)s::jsonb) AS r (row)
    LEFT JOIN products known ON known.slug = r.row ->> 'slug' AND known.deleted_at IS NULL
    CROSS JOIN jsonb_populate_record(known, r.row) n
    ON CONFLICT (slug) WHERE deleted_at IS NULL DO UPDATE SET
        name = excluded.name, description = excluded.description, brand = excluded.brand,
        category_id = excluded.category_id, attributes = old.attributes || excluded.attributes,
        seo_title = excluded.seo_title, seo_description = excluded.seo_description, status = excluded.status,
        version = old.version + 1
    WHERE (old.name, old.description, old.brand, old.category_id, old.attributes, old.seo_title, old.seo_description,
           old.status)
        IS DISTINCT FROM
          (excluded.name, excluded.description, excluded.brand, excluded.category_id,
           old.attributes || excluded.attributes, excluded.seo_title, excluded.seo_description, excluded.status)
    RETURNING id, slug, name, category_id, status, deleted_at, version
"""
"""Returns what is new or changed."""

UPSERT_OPTIONS = """
    INSERT INTO product_options AS old (id, product_id, name, values, position)
    SELECT id, product_id, name, values, position FROM jsonb_to_recordset(%(rows)s::jsonb)
        AS r (id uuid, product_id uuid, name text, values varchar[], position int)
    ON CONFLICT (product_id, name) DO UPDATE SET values = old.values || ARRAY(
        SELECT n.value FROM unnest(excluded.values) WITH ORDINALITY AS n (value, place)
        WHERE n.value <> ALL(old.values) ORDER BY n.place
    )
"""
UPDATE_VARIANTS = """
    UPDATE variants v SET options = n.options, compare_at_price = n.compare_at_price, weight_grams = n.weight_grams,
           length_mm = n.length_mm, width_mm = n.width_mm, height_mm = n.height_mm, barcode = n.barcode
    FROM jsonb_array_elements(%(rows)s::jsonb) AS r (row)
    JOIN variants known ON known.id = (r.row ->> 'id')::uuid
    CROSS JOIN jsonb_populate_record(known, r.row) n
    WHERE v.id = n.id
      AND (v.options, v.compare_at_price, v.weight_grams, v.length_mm, v.width_mm, v.height_mm, v.barcode)
          IS DISTINCT FROM
          (n.options, n.compare_at_price, n.weight_grams, n.length_mm, n.width_mm, n.height_mm, n.barcode)
"""
INSERT_VARIANTS = """
    WITH made AS (
        INSERT INTO variants (id, product_id, sku, options, price, compare_at_price, currency, weight_grams, length_mm,
                              width_mm, height_mm, barcode, position, active, version, created_at)
        SELECT id, product_id, sku, options, price, compare_at_price, 'BRL', weight_grams, length_mm, width_mm,
               height_mm, barcode, position, true, 1, %(now)s
        FROM jsonb_to_recordset(%(rows)s::jsonb) AS r (
            id uuid, product_id uuid, sku text, options jsonb, price numeric, compare_at_price numeric,
            weight_grams int, length_mm int, width_mm int, height_mm int, barcode text, position int
        )
        RETURNING id
    )
    INSERT INTO stock (variant_id, on_hand, reserved) SELECT id, 0, 0 FROM made
"""
DROP_UNUSED_OPTIONS = """
    DELETE FROM product_options o WHERE o.product_id = ANY(%s) AND NOT EXISTS (
        SELECT 1 FROM variants v WHERE v.product_id = o.product_id AND v.deleted_at IS NULL AND v.options ? o.name
    )
"""
UPSERT_MEDIA = """
    INSERT INTO media (id, product_id, path, alt, position)
    SELECT r.id, r.product_id, r.path, coalesce(r.alt, known.alt, ''), r.position
    FROM jsonb_to_recordset(%(rows)s::jsonb) AS r (id uuid, product_id uuid, path text, alt text, position int)
    LEFT JOIN media known ON known.product_id = r.product_id AND known.path = r.path
    ON CONFLICT (product_id, path) DO UPDATE SET alt = excluded.alt, position = excluded.position
"""
