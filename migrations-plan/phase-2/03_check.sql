-- Do triggers write what the relay reads? Everything is rolled back. Fails with the reason if not.
-- As an administrator: psql -d legacy_shop -f phase-2/03_check.sql

\set ON_ERROR_STOP on
BEGIN;
DO $$
DECLARE before bigint; after bigint; row record;
BEGIN
    IF migration_plan.crc32_of('01a2099d-1364-7734-993c-954d899e1c20') <> 4083568233 THEN
        RAISE EXCEPTION 'crc32_of does not agree with zlib';
    END IF;
    SELECT count(*) INTO before FROM catalog_service.outbox_event;
    UPDATE catalog_service.products SET price = price + 1, stock = 5 WHERE id = (
        SELECT min(id) FROM catalog_service.products WHERE stock = 0);
    SELECT count(*) INTO after FROM catalog_service.outbox_event;
    IF after - before <> 2 THEN RAISE EXCEPTION 'two events expected, found %', after - before; END IF;
    SELECT * INTO row FROM catalog_service.outbox_event ORDER BY id DESC LIMIT 1;
    IF row.origin <> 'trigger' OR row.headers ->> 'cloudEvents_sequence' <> row.aggregate_version::text THEN
        RAISE EXCEPTION 'unexpected row: %', row;
    END IF;
    PERFORM set_config('outbox.by_application', 'on', true);
    UPDATE catalog_service.products SET price = price + 1 WHERE id = 1;
    IF (SELECT count(*) FROM catalog_service.outbox_event) <> after THEN
        RAISE EXCEPTION 'a change by the application was told twice';
    END IF;
END $$;
ROLLBACK;
