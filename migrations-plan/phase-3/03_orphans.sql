-- Rows that point at nothing, for each dropped foreign key. Read-only; run it daily until phase 4.
-- As an administrator: psql -d legacy_shop -f phase-3/03_orphans.sql

SELECT format($$SELECT %L AS "column", count(*) AS orphans FROM %s c
                WHERE c.%I IS NOT NULL AND NOT EXISTS (SELECT FROM %s p WHERE p.%I = c.%I)$$,
              table_name || '.' || column_name, table_name, column_name, parent_name, parent_column, column_name)
FROM migration_plan.dropped_foreign_keys ORDER BY table_name, column_name \gexec
