-- One role and one schema per context. Changes nothing for the legacy application.
-- As an administrator of the server: psql -d legacy_shop -v legacy_role=legacy_app -f phase-1/01_schemas_and_roles.sql
-- Safe to repeat. `manage.py bootstrap` does the same and more; the two may follow each other in any order.

\set ON_ERROR_STOP on
BEGIN;

DO $$
DECLARE context text;
BEGIN
    FOREACH context IN ARRAY ARRAY['identity', 'catalog', 'cart', 'order', 'promotion', 'notification'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = context || '_service') THEN
            EXECUTE format('CREATE ROLE %I LOGIN', context || '_service');
        END IF;
        EXECUTE format('CREATE SCHEMA IF NOT EXISTS %I AUTHORIZATION %I', context || '_service', context || '_service');
        EXECUTE format('ALTER ROLE %I SET search_path = %I, ext', context || '_service', context || '_service');
        EXECUTE format('GRANT CONNECT, TEMPORARY ON DATABASE %I TO %I', current_database(), context || '_service');
    END LOOP;
END $$;

-- `manage.py bootstrap` takes these from PUBLIC. The legacy role must have them by name before that.
SELECT format('GRANT CONNECT, TEMPORARY ON DATABASE %I TO %I', current_database(), :'legacy_role') \gexec
GRANT USAGE, CREATE ON SCHEMA public TO :"legacy_role";

COMMIT;
