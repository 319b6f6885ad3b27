-- Which foreign keys cross a schema, what they did on delete, and how many rows rely on them. Read-only.
-- As an administrator: psql -d legacy_shop -f phase-3/01_list.sql

SELECT c.conrelid::regclass AS "table", a.attname AS "column", c.confrelid::regclass AS "points at",
       CASE c.confdeltype WHEN 'c' THEN 'CASCADE' WHEN 'n' THEN 'SET NULL' WHEN 'd' THEN 'SET DEFAULT' ELSE 'refused' END
           AS "on delete", c.conname AS "constraint"
FROM pg_constraint c
JOIN pg_class child ON child.oid = c.conrelid
JOIN pg_class parent ON parent.oid = c.confrelid
JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
WHERE c.contype = 'f' AND child.relnamespace <> parent.relnamespace
ORDER BY 3, 1, 2;

-- Views, functions and triggers that reach into another schema do not show above. This finds views.
SELECT DISTINCT v.oid::regclass AS "view", t.oid::regclass AS "reads"
FROM pg_class v
JOIN pg_rewrite r ON r.ev_class = v.oid
JOIN pg_depend d ON d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
JOIN pg_class t ON t.oid = d.refobjid
WHERE v.relkind IN ('v', 'm') AND t.relnamespace <> v.relnamespace
  AND t.relnamespace::regnamespace::text LIKE '%\_service' AND v.relnamespace::regnamespace::text LIKE '%\_service';
