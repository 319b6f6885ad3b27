-- Move every listed table that is still in public. One transaction, metadata only: no row is rewritten.
-- As an administrator: psql -d legacy_shop -v legacy_role=legacy_app -f phase-1/04_move_tables.sql
-- It needs an ACCESS EXCLUSIVE lock on each table for a moment, and gives up after five seconds of waiting for one:
-- run it again at a quieter time. Indexes, constraints, triggers and owned sequences move along. Safe to repeat.

\set ON_ERROR_STOP on
BEGIN;
SET LOCAL lock_timeout = '5s';
SELECT format('ALTER TABLE public.%I SET SCHEMA %I', o.table_name, o.schema_name)
FROM migration_plan.owners o JOIN pg_tables t ON t.schemaname = 'public' AND t.tablename = o.table_name
ORDER BY o.table_name \gexec
-- The role of the context owns its tables; the legacy role keeps the rights it needs until phase 6.
SELECT format('ALTER TABLE %I.%I OWNER TO %I', schema_name, table_name, schema_name)
FROM migration_plan.owners ORDER BY table_name \gexec
SELECT format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I.%I TO %I', schema_name, table_name, :'legacy_role')
FROM migration_plan.owners ORDER BY table_name \gexec
SELECT format('GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA %I TO %I', schema_name, :'legacy_role')
FROM (SELECT DISTINCT schema_name FROM migration_plan.owners) AS s \gexec
COMMIT;
