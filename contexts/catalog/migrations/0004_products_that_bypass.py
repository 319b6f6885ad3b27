"""Products that are made or changed without the application are announced, too.

Every version of a product is told once. The first trigger gives a change without a new version one of its own; the others
publish new products and new versions when the transaction commits, unless the application has done so by then.
"""

from django.db import migrations

NUMBER = """
CREATE FUNCTION number_product_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.version := OLD.version + 1;
    RETURN NEW;
END
$$;
CREATE TRIGGER products_change_numbered BEFORE UPDATE ON products
FOR EACH ROW WHEN (NEW.version <= OLD.version AND OLD.* IS DISTINCT FROM NEW.*)
EXECUTE FUNCTION number_product_change();
"""

PUBLISH = """
CREATE FUNCTION publish_product() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM products WHERE id = NEW.id) THEN
        RETURN NULL;
    END IF;
    PERFORM outbox_publish_change(
        'catalog', 'product', NEW.id::text, NEW.version, 'catalog.product_changed.v1',
        jsonb_build_object(
            'product_id', NEW.id,
            'product_name', NEW.name,
            'product_slug', NEW.slug,
            'category_id', NEW.category_id,
            'on_sale', NEW.status = 'active' AND NEW.deleted_at IS NULL,
            'removed', NEW.deleted_at IS NOT NULL));
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER products_addition_published AFTER INSERT ON products
DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION publish_product();
CREATE CONSTRAINT TRIGGER products_change_published AFTER UPDATE ON products
DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW WHEN (OLD.version <> NEW.version) EXECUTE FUNCTION publish_product();
"""


class Migration(migrations.Migration):
    dependencies = [("catalog", "0003_prices_that_bypass")]

    operations = [
        migrations.RunSQL(
            NUMBER, "DROP TRIGGER products_change_numbered ON products; DROP FUNCTION number_product_change()"
        ),
        migrations.RunSQL(
            PUBLISH,
            """
            DROP TRIGGER products_addition_published ON products;
            DROP TRIGGER products_change_published ON products;
            DROP FUNCTION publish_product()
            """,
        ),
    ]
