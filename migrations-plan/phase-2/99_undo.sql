-- Stop telling. As an administrator: psql -d legacy_shop -f phase-2/99_undo.sql
-- The outbox and inbox tables stay with what is in them: let the relay drain them before you drop anything.

\set ON_ERROR_STOP on
BEGIN;
DROP TRIGGER IF EXISTS tell_user ON identity_service.users;
DROP TRIGGER IF EXISTS tell_product ON catalog_service.products;
DROP TRIGGER IF EXISTS count_version ON identity_service.users;
DROP TRIGGER IF EXISTS count_version ON catalog_service.products;
DROP FUNCTION IF EXISTS identity_service.tell_user();
DROP FUNCTION IF EXISTS catalog_service.tell_product();
COMMIT;
