"""Stock that is counted without the application gets its line in the ledger, and is announced.

Whoever leaves the version alone has bypassed the application, so there is nothing to wait for until the commit; sales
raise it and do not run the trigger at all. Apply this when no process is left that runs code without the version: its
sales would be taken for corrections.
"""

from django.db import migrations

# UUIDv7, as the application makes them: the ledger is read in the order of its ids.
NEW_ID = """
CREATE FUNCTION new_ledger_id() RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE AS $$
    SELECT encode(set_bit(set_bit(overlay(
        uuid_send(gen_random_uuid())
        PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3) FROM 1 FOR 6
    ), 52, 1), 53, 1), 'hex')::uuid
$$;
"""

NOTE = """
CREATE FUNCTION note_stock_change() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    change integer := NEW.on_hand;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        change := NEW.on_hand - OLD.on_hand;
        NEW.version := OLD.version + 1;
    END IF;
    INSERT INTO stock_movements (id, variant_id, kind, quantity, reason, at)
    VALUES (new_ledger_id(), NEW.variant_id, 'adjust', change, 'no banco de dados, por ' || session_user,
            clock_timestamp());
    PERFORM outbox_publish_change(
        'catalog', 'stock', NEW.variant_id::text, NEW.version, 'catalog.stock_adjusted.v1',
        jsonb_build_object('variant_id', NEW.variant_id, 'change', change, 'on_hand', NEW.on_hand));
    RETURN NEW;
END
$$;
CREATE TRIGGER stock_addition_noted AFTER INSERT ON stock
FOR EACH ROW WHEN (NEW.on_hand <> 0) EXECUTE FUNCTION note_stock_change();
CREATE TRIGGER stock_change_noted BEFORE UPDATE OF on_hand ON stock
FOR EACH ROW WHEN (NEW.version <= OLD.version AND OLD.on_hand <> NEW.on_hand) EXECUTE FUNCTION note_stock_change();
"""


class Migration(migrations.Migration):
    dependencies = [("catalog", "0005_stock_version")]

    operations = [
        migrations.RunSQL(NEW_ID, "DROP FUNCTION new_ledger_id()"),
        migrations.RunSQL(
            NOTE,
            """
            DROP TRIGGER stock_addition_noted ON stock;
            DROP TRIGGER stock_change_noted ON stock;
            DROP FUNCTION note_stock_change()
            """,
        ),
    ]
