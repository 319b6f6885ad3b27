-- Back to one schema. As an administrator: psql -d legacy_shop -v legacy_role=legacy_app -f phase-1/99_undo.sql
-- Undo phases 3 and 2 first. Roles and empty schemas stay; they harm nobody.

\set ON_ERROR_STOP on
BEGIN;
SET LOCAL lock_timeout = '5s';
SELECT format('ALTER TABLE %I.%I SET SCHEMA public', o.schema_name, o.table_name)
FROM migration_plan.owners o JOIN pg_tables t ON t.schemaname = o.schema_name AND t.tablename = o.table_name \gexec
SELECT format('ALTER TABLE public.%I OWNER TO %I', o.table_name, :'legacy_role')
FROM migration_plan.owners o JOIN pg_tables t ON t.schemaname = 'public' AND t.tablename = o.table_name \gexec
SELECT format('ALTER ROLE %I IN DATABASE %I RESET search_path', :'legacy_role', current_database()) \gexec
DELETE FROM migration_plan.milestones WHERE name = 'search_path';
COMMIT;
