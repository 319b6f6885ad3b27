-- Bring the foreign keys back. As an administrator: psql -d legacy_shop -f phase-3/99_undo.sql
-- Each is added unchecked at first, so that writers are not held up, and then validated. Rows that point at nothing make
-- the validation of their key fail: 03_orphans.sql names them.

\set ON_ERROR_STOP on
SELECT format('ALTER TABLE %s ADD CONSTRAINT %I %s NOT VALID', table_name, name, definition)
FROM migration_plan.dropped_foreign_keys d
WHERE NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conrelid = d.table_name::regclass AND c.conname = d.name) \gexec
SELECT format('ALTER TABLE %s VALIDATE CONSTRAINT %I', table_name, name) FROM migration_plan.dropped_foreign_keys \gexec
DROP TABLE migration_plan.dropped_foreign_keys;
