"""What triggers call to publish a change that bypassed the application.

``outbox_publish_change`` writes the row that ``ecommerce.outbox.append`` would have written, unless the application has
written one for that version of the aggregate in the same transaction. Call it from a deferred constraint trigger: then it
runs at commit, after everything the application had to say. Whoever makes the change, the functions look for their tables
in the schema they were made in. ``outbox_partition_of`` is ``partition_of`` of the Python
code: CRC-32 (ISO 3309) of the aggregate's id.
"""

from django.db import migrations

PARTITION_OF = """
CREATE FUNCTION outbox_partition_of(aggregate_id text) RETURNS smallint
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    bytes bytea := convert_to(aggregate_id, 'UTF8');
    crc bigint := 4294967295;
BEGIN
    FOR position IN 0 .. length(bytes) - 1 LOOP
        crc := crc # get_byte(bytes, position);
        FOR bit IN 1 .. 8 LOOP
            crc := CASE WHEN crc & 1 = 1 THEN (crc >> 1) # 3988292384 ELSE crc >> 1 END;
        END LOOP;
    END LOOP;
    RETURN (crc # 4294967295) % 64;
END
$$;
"""

PUBLISH_CHANGE = """
CREATE FUNCTION outbox_publish_change(context text, aggregate text, subject text, version bigint, event text, data jsonb)
RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    event_id uuid := gen_random_uuid();
BEGIN
    IF EXISTS (SELECT 1 FROM outbox_event e WHERE e.aggregate_type = aggregate AND e.aggregate_id = subject
                                              AND e.aggregate_version = version) THEN
        RETURN;
    END IF;
    INSERT INTO outbox_event (event_id, aggregate_type, aggregate_id, aggregate_version, partition_no, event_type,
                              payload, headers, status, attempts, last_error, origin, created_at)
    VALUES (event_id, aggregate, subject, version, outbox_partition_of(subject), event, data,
            jsonb_build_object(
                'cloudEvents_specversion', '1.0',
                'cloudEvents_id', event_id,
                'cloudEvents_source', '/contexts/' || context,
                'cloudEvents_type', event,
                'cloudEvents_subject', subject,
                'cloudEvents_time', to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
                'cloudEvents_partitionkey', subject,
                'cloudEvents_sequence', version::text,
                'cloudEvents_actor', 'database:' || session_user),
            'PENDING', 0, '', 'trigger', clock_timestamp())
    ON CONFLICT (aggregate_type, aggregate_id, aggregate_version) DO NOTHING;
    PERFORM pg_notify('outbox_' || context, '');
END
$$;
"""


class Migration(migrations.Migration):
    dependencies = [("outbox", "0002_archive")]

    operations = [
        migrations.RunSQL(PARTITION_OF, "DROP FUNCTION outbox_partition_of(text)"),
        migrations.RunSQL(PUBLISH_CHANGE, "DROP FUNCTION outbox_publish_change(text, text, text, bigint, text, jsonb)"),
    ]
