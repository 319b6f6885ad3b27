"""An id of the ledger begins with the millisecond that has begun, as those of the application do.

It was rounded, so that a line could stand behind one that was written up to half a millisecond after it.
"""

from django.db import migrations

FUNCTION = """
CREATE OR REPLACE FUNCTION new_ledger_id() RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE AS $$
    SELECT encode(set_bit(set_bit(overlay(
        uuid_send(gen_random_uuid())
        PLACING substring(int8send({milliseconds}::bigint) FROM 3) FROM 1 FOR 6
    ), 52, 1), 53, 1), 'hex')::uuid
$$;
"""
ROUNDED = FUNCTION.format(milliseconds="(extract(epoch FROM clock_timestamp()) * 1000)")
ROUNDED_DOWN = FUNCTION.format(milliseconds="floor(extract(epoch FROM clock_timestamp()) * 1000)")


class Migration(migrations.Migration):
    dependencies = [("catalog", "0006_stock_that_bypasses")]

    operations = [migrations.RunSQL(sql=ROUNDED_DOWN, reverse_sql=ROUNDED)]
