"""``cart_events`` is the truth: the database itself refuses to change or delete it."""

from django.db import migrations

CREATE = """
CREATE FUNCTION cart_events_are_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.data = jsonb_set(OLD.data, '{email}', '""', false)
       AND (NEW.id, NEW.cart_id, NEW.version, NEW.type, NEW.at, NEW.actor)
         = (OLD.id, OLD.cart_id, OLD.version, OLD.type, OLD.at, OLD.actor)
    THEN
        RETURN NEW; -- the erasure of a person's address
    END IF;
    RAISE EXCEPTION 'cart_events is append-only: % refused', TG_OP USING ERRCODE = 'integrity_constraint_violation';
END
$$;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON cart_events
    FOR EACH ROW EXECUTE FUNCTION cart_events_are_append_only();
"""

DROP = """
DROP TRIGGER append_only ON cart_events;
DROP FUNCTION cart_events_are_append_only();
"""


class Migration(migrations.Migration):
    dependencies = [("cart", "0001_initial")]

    operations = [migrations.RunSQL(CREATE, DROP)]
