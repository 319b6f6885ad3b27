-- One line per table of a schema: name, number of rows, and a number that depends on every value of every row, but not
-- on their order. Two databases hold the same if their lines are the same; compare with diff.
-- psql -qAt -v schema=catalog_service -d ecommerce -f phase-5/fingerprint.sql
-- Reads everything once: on large tables run it on a replica or at night. Both sides need the same column order.

SELECT format($$SELECT %L, count(*), coalesce(sum(('x' || left(md5(t::text), 15))::bit(60)::bigint), 0) FROM %I.%I AS t$$,
              table_name, table_schema, table_name)
FROM information_schema.tables
WHERE table_schema = :'schema' AND table_type = 'BASE TABLE' AND table_name NOT IN ('outbox_relay', 'event_flow')
ORDER BY table_name \gexec
