-- May the tables move now? Fails with the reason if not. Read-only.
-- psql -d legacy_shop -v legacy_role=legacy_app -f phase-1/03_check.sql

\set ON_ERROR_STOP on
SELECT set_config('migration_plan.legacy_role', :'legacy_role', false) \gset ignored_
DO $$
DECLARE old int; twice text; missing text;
BEGIN
    SELECT count(*) INTO old FROM pg_stat_activity
    WHERE datname = current_database() AND usename = current_setting('migration_plan.legacy_role')
      AND backend_start < (SELECT at FROM migration_plan.milestones WHERE name = 'search_path');
    IF old > 0 THEN RAISE EXCEPTION '% legacy sessions are older than the new search_path: recycle them', old; END IF;

    SELECT string_agg(DISTINCT a.table_name, ', ') INTO twice
    FROM migration_plan.owners a JOIN information_schema.tables t
      ON t.table_name = a.table_name AND t.table_schema = a.schema_name
    JOIN information_schema.tables p ON p.table_name = a.table_name AND p.table_schema = 'public';
    IF twice IS NOT NULL THEN RAISE EXCEPTION 'these names are taken in their new schema: %', twice; END IF;

    SELECT string_agg(table_name, ', ') INTO missing FROM information_schema.tables t
    WHERE table_schema = 'public' AND table_type = 'BASE TABLE'
      AND NOT EXISTS (SELECT FROM migration_plan.owners o WHERE o.table_name = t.table_name);
    IF missing IS NOT NULL THEN RAISE WARNING 'these tables have no owner yet and stay in public: %', missing; END IF;
END $$;
