-- Drop every foreign key that crosses a schema, and remember its definition. Safe to repeat.
-- As an administrator: psql -d legacy_shop -f phase-3/02_drop_foreign_keys.sql
-- Before this, whatever relied on CASCADE or SET NULL must be done by a handler of an event: see phase-3.md.

\set ON_ERROR_STOP on
BEGIN;
SET LOCAL lock_timeout = '5s';
CREATE TABLE IF NOT EXISTS migration_plan.dropped_foreign_keys (
    table_name text, name text, column_name text, parent_name text, parent_column text, definition text,
    dropped_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (table_name, name));
WITH crossing AS (
    SELECT c.* FROM pg_constraint c
    JOIN pg_class child ON child.oid = c.conrelid
    JOIN pg_class parent ON parent.oid = c.confrelid
    WHERE c.contype = 'f' AND child.relnamespace <> parent.relnamespace
)
INSERT INTO migration_plan.dropped_foreign_keys (table_name, name, column_name, parent_name, parent_column, definition)
SELECT format('%I.%I', child.relnamespace::regnamespace, child.relname), c.conname, a.attname,
       format('%I.%I', parent.relnamespace::regnamespace, parent.relname), p.attname, pg_get_constraintdef(c.oid)
FROM crossing c
JOIN pg_class child ON child.oid = c.conrelid
JOIN pg_class parent ON parent.oid = c.confrelid
JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
JOIN pg_attribute p ON p.attrelid = c.confrelid AND p.attnum = c.confkey[1]
ON CONFLICT (table_name, name) DO UPDATE SET definition = excluded.definition, dropped_at = now();
SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', d.table_name, d.name)
FROM migration_plan.dropped_foreign_keys d
JOIN pg_constraint c ON c.conrelid = d.table_name::regclass AND c.conname = d.name
ORDER BY 1 \gexec
COMMIT;
