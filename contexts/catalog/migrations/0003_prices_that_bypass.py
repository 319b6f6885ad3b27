"""Prices that change without the application are published, too: a correction in psql, another program, a bulk UPDATE.

The first trigger gives such a change a version of its own and a line in the price history; the second publishes it when
the transaction commits, unless the application has published that version by then. So a change through a use case is one
event, not two.
"""

from django.db import migrations

NUMBER = """
CREATE FUNCTION number_price_change() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF NEW.version = OLD.version THEN
        NEW.version := OLD.version + 1;
        INSERT INTO price_history (id, variant_id, old_price, new_price, currency, changed_at, changed_by)
        VALUES (gen_random_uuid(), NEW.id, OLD.price, NEW.price, NEW.currency, clock_timestamp(), NULL);
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER variants_price_numbered BEFORE UPDATE OF price ON variants
FOR EACH ROW WHEN (OLD.price IS DISTINCT FROM NEW.price) EXECUTE FUNCTION number_price_change();
"""

PUBLISH = """
CREATE FUNCTION publish_price_change() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM outbox_publish_change(
        'catalog', 'variant', NEW.id::text, NEW.version, 'catalog.variant_price_changed.v1',
        jsonb_build_object(
            'variant_id', NEW.id,
            'old_price', jsonb_build_object('amount', OLD.price::text, 'currency', OLD.currency),
            'new_price', jsonb_build_object('amount', NEW.price::text, 'currency', NEW.currency)));
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER variants_price_published AFTER UPDATE OF price ON variants
DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW WHEN (OLD.price IS DISTINCT FROM NEW.price) EXECUTE FUNCTION publish_price_change();
"""


class Migration(migrations.Migration):
    dependencies = [("catalog", "0002_sales_and_storage"), ("outbox", "0003_changes")]

    operations = [
        migrations.RunSQL(
            NUMBER, "DROP TRIGGER variants_price_numbered ON variants; DROP FUNCTION number_price_change()"
        ),
        migrations.RunSQL(
            PUBLISH, "DROP TRIGGER variants_price_published ON variants; DROP FUNCTION publish_price_change()"
        ),
    ]
