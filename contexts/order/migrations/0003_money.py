"""``payment_ledger`` and ``order_timeline`` are append-only: the database itself refuses to change or delete a row."""

from django.db import migrations

CREATE = """
CREATE FUNCTION order_history_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'integrity_constraint_violation';
END
$$;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON payment_ledger
    FOR EACH ROW EXECUTE FUNCTION order_history_is_append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON order_timeline
    FOR EACH ROW EXECUTE FUNCTION order_history_is_append_only();
"""

DROP = """
DROP TRIGGER append_only ON order_timeline;
DROP TRIGGER append_only ON payment_ledger;
DROP FUNCTION order_history_is_append_only();
"""


class Migration(migrations.Migration):
    dependencies = [("order", "0002_hardening")]

    operations = [migrations.RunSQL(CREATE, DROP)]
