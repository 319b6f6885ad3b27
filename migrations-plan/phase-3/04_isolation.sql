-- Is each role shut into its schema? Fails with the hole if not. Read-only.
-- As an administrator: psql -d legacy_shop -f phase-3/04_isolation.sql

\set ON_ERROR_STOP on
DO $$
DECLARE hole text;
BEGIN
    SELECT string_agg(format('%s may use %s', r.rolname, n.nspname), ', ') INTO hole
    FROM pg_roles r CROSS JOIN pg_namespace n
    WHERE r.rolname LIKE '%\_service' AND n.nspname LIKE '%\_service' AND r.rolname <> n.nspname
      AND has_schema_privilege(r.oid, n.oid, 'USAGE');
    IF hole IS NOT NULL THEN RAISE EXCEPTION '%', hole; END IF;

    SELECT string_agg(format('%s.%s', c.conrelid::regclass, c.conname), ', ') INTO hole
    FROM pg_constraint c JOIN pg_class a ON a.oid = c.conrelid JOIN pg_class b ON b.oid = c.confrelid
    WHERE c.contype = 'f' AND a.relnamespace <> b.relnamespace;
    IF hole IS NOT NULL THEN RAISE EXCEPTION 'foreign keys cross schemas: %', hole; END IF;
END $$;
