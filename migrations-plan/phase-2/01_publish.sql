-- What triggers need to write the outbox exactly as the application does. Safe to repeat.
-- As an administrator: psql -d legacy_shop -f phase-2/01_publish.sql
-- The outbox tables must exist: see phase-2.md, "Tables".

\set ON_ERROR_STOP on
BEGIN;

-- One rule turns a legacy number into the UUID that the new tables will use: no mapping table, the same on both sides.
CREATE SCHEMA IF NOT EXISTS migration_plan;
GRANT USAGE ON SCHEMA migration_plan TO PUBLIC;
CREATE OR REPLACE FUNCTION migration_plan.new_id(kind text, legacy_id bigint) RETURNS uuid
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN md5(kind || ':' || legacy_id)::uuid;

-- CRC-32 as zlib computes it: `partition_of` in ecommerce/outbox/append.py. Built in since PostgreSQL 18.
DO $do$ BEGIN
    IF current_setting('server_version_num')::int >= 180000 THEN
        CREATE OR REPLACE FUNCTION migration_plan.crc32_of(value text) RETURNS bigint LANGUAGE sql IMMUTABLE STRICT
        AS 'SELECT pg_catalog.crc32(convert_to(value, ''UTF8''))';
    ELSE
        CREATE OR REPLACE FUNCTION migration_plan.crc32_of(value text) RETURNS bigint LANGUAGE plpgsql IMMUTABLE STRICT
        AS $function$
        DECLARE crc bigint := 4294967295; bytes bytea := convert_to(value, 'UTF8');
        BEGIN
            FOR i IN 0 .. length(bytes) - 1 LOOP
                crc := crc # get_byte(bytes, i);
                FOR bit IN 1 .. 8 LOOP
                    crc := CASE WHEN crc & 1 = 1 THEN (crc >> 1) # 3988292384 ELSE crc >> 1 END;
                END LOOP;
            END LOOP;
            RETURN crc # 4294967295;
        END $function$;
    END IF;
END $do$;

-- One publisher per schema. It runs as the owner of the outbox, so that the legacy role needs no right on it.
DO $do$
DECLARE context text;
BEGIN
    FOREACH context IN ARRAY ARRAY['identity', 'catalog', 'cart', 'order', 'promotion', 'notification'] LOOP
        EXECUTE format($sql$
            CREATE OR REPLACE FUNCTION %1$I.publish_event(
                event_type text, aggregate text, subject uuid, version bigint, payload jsonb) RETURNS void
            LANGUAGE sql SECURITY DEFINER SET search_path = %1$I, pg_temp
            AS $function$
                WITH envelope AS (SELECT gen_random_uuid() AS id, clock_timestamp() AS at)
                INSERT INTO outbox_event (event_id, aggregate_type, aggregate_id, aggregate_version, partition_no,
                                          event_type, payload, headers, status, attempts, last_error, origin, created_at)
                SELECT id, aggregate, subject::text, version, migration_plan.crc32_of(subject::text) %% 64, event_type,
                       payload, jsonb_build_object(
                           'cloudEvents_specversion', '1.0', 'cloudEvents_id', id, 'cloudEvents_source', %2$L,
                           'cloudEvents_type', event_type, 'cloudEvents_subject', subject,
                           'cloudEvents_time', to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
                           'cloudEvents_partitionkey', subject, 'cloudEvents_sequence', version::text,
                           'cloudEvents_actor', 'legacy'),
                       'PENDING', 0, '', 'trigger', at
                FROM envelope
            $function$ $sql$, context || '_service', '/contexts/' || context);
        EXECUTE format('ALTER FUNCTION %1$I.publish_event(text, text, uuid, bigint, jsonb) OWNER TO %1$I', context || '_service');
        EXECUTE format('REVOKE ALL ON FUNCTION %I.publish_event(text, text, uuid, bigint, jsonb) FROM PUBLIC', context || '_service');
    END LOOP;
END $do$;

COMMIT;
