-- The legacy application goes on naming its tables without a schema: its search_path finds them wherever they are.
-- As an administrator: psql -d legacy_shop -v legacy_role=legacy_app -f phase-1/02_legacy_search_path.sql
-- Only sessions that begin after this have the new path. Recycle the application's connections, then run 03_check.sql.

\set ON_ERROR_STOP on
BEGIN;
SELECT format('GRANT USAGE ON SCHEMA %I TO %I', schema_name, :'legacy_role')
FROM (SELECT DISTINCT schema_name FROM migration_plan.owners) AS s \gexec
SELECT format('ALTER ROLE %I IN DATABASE %I SET search_path = public, %s', :'legacy_role', current_database(),
              string_agg(quote_ident(schema_name), ', ' ORDER BY schema_name))
FROM (SELECT DISTINCT schema_name FROM migration_plan.owners) AS s \gexec
CREATE TABLE IF NOT EXISTS migration_plan.milestones (name text PRIMARY KEY, at timestamptz NOT NULL);
INSERT INTO migration_plan.milestones VALUES ('search_path', clock_timestamp()) ON CONFLICT DO NOTHING;
COMMIT;
