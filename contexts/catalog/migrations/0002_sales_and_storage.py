"""What Django cannot express: the view of best sellers, search by similarity, and how hot tables are stored."""

from django.db import migrations

BEST_SELLERS = """
CREATE MATERIALIZED VIEW best_sellers AS
SELECT v.product_id,
       sum(m.pieces)::integer AS sold,
       coalesce(sum(m.pieces) FILTER (WHERE m.at >= now() - interval '30 days'), 0)::integer AS sold_recently
FROM (
    SELECT variant_id, at, CASE kind WHEN 'sell' THEN quantity ELSE -quantity END AS pieces
    FROM stock_movements WHERE kind IN ('sell', 'return')
) m
JOIN variants v ON v.id = m.variant_id
GROUP BY v.product_id;
CREATE UNIQUE INDEX best_sellers_product ON best_sellers (product_id);
"""

# One wrong letter in a word of four still leaves 0.4 of its trigrams.
SIMILAR_PRODUCTS = """
CREATE FUNCTION similar_products(words text) RETURNS TABLE (product_id uuid, score real)
LANGUAGE plpgsql AS $$
DECLARE
    plain text := lower(unaccent(words));
BEGIN
    PERFORM set_config('pg_trgm.word_similarity_threshold', '0.4', true);
    RETURN QUERY SELECT c.product_id, word_similarity(plain, c.name_search) FROM product_catalog c
                 WHERE plain <% c.name_search;
END
$$;
"""

STORAGE = """
ALTER TABLE stock SET (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.02);
ALTER TABLE product_catalog SET (fillfactor = 80);
ALTER TABLE product_catalog ALTER COLUMN detail SET STORAGE EXTERNAL;
"""


class Migration(migrations.Migration):
    dependencies = [("catalog", "0001_initial")]

    operations = [
        migrations.RunSQL(BEST_SELLERS, "DROP MATERIALIZED VIEW best_sellers"),
        migrations.RunSQL(SIMILAR_PRODUCTS, "DROP FUNCTION similar_products(text)"),
        migrations.RunSQL(
            STORAGE,
            """
            ALTER TABLE stock RESET (fillfactor, autovacuum_vacuum_scale_factor);
            ALTER TABLE product_catalog RESET (fillfactor);
            ALTER TABLE product_catalog ALTER COLUMN detail SET STORAGE EXTENDED;
            """,
        ),
    ]
