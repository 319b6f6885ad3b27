-- Legacy changes become events: who registered, who proved an e-mail, which price moved, what is in stock again.
-- As an administrator: psql -d legacy_shop -f phase-2/02_triggers.sql
-- Adapt the tables and columns; keep the event types and payloads of contexts/*/events.py. Publish only types that
-- somebody subscribes to: an event without a queue is refused by the broker and ends PARKED.

\set ON_ERROR_STOP on
BEGIN;
SET LOCAL lock_timeout = '5s';

-- The version orders the events of a row. Every UPDATE moves it, whoever does it.
ALTER TABLE identity_service.users ADD COLUMN IF NOT EXISTS row_version bigint NOT NULL DEFAULT 1;
ALTER TABLE catalog_service.products ADD COLUMN IF NOT EXISTS row_version bigint NOT NULL DEFAULT 1;

CREATE OR REPLACE FUNCTION migration_plan.count_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.row_version := OLD.row_version + 1;
    RETURN NEW;
END $$;

CREATE OR REPLACE FUNCTION identity_service.tell_user() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = identity_service, pg_temp AS $$
DECLARE subject uuid := migration_plan.new_id('user', NEW.id);
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM publish_event('identity.user_registered.v1', 'user', subject, NEW.row_version,
                              jsonb_build_object('user_id', subject, 'locale', NEW.locale));
    ELSIF OLD.email_verified_at IS NULL AND NEW.email_verified_at IS NOT NULL THEN
        PERFORM publish_event('identity.user_email_verified.v1', 'user', subject, NEW.row_version,
                              jsonb_build_object('user_id', subject));
    END IF;
    RETURN NULL;
END $$;

-- A row may tell two things at once and a version tells one, hence twice the row's version, and one more.
CREATE OR REPLACE FUNCTION catalog_service.tell_product() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = catalog_service, pg_temp AS $$
DECLARE variant uuid := migration_plan.new_id('variant', NEW.id);
BEGIN
    IF NEW.price <> OLD.price THEN
        PERFORM publish_event('catalog.variant_price_changed.v1', 'variant', variant, 2 * NEW.row_version,
                              jsonb_build_object(
                                  'variant_id', variant,
                                  'old_price', jsonb_build_object('amount', OLD.price::text, 'currency', 'BRL'),
                                  'new_price', jsonb_build_object('amount', NEW.price::text, 'currency', 'BRL')));
    END IF;
    IF OLD.stock = 0 AND NEW.stock > 0 THEN
        PERFORM publish_event('catalog.variant_back_in_stock.v1', 'variant', variant, 2 * NEW.row_version + 1,
                              jsonb_build_object(
                                  'variant_id', variant, 'sku', NEW.sku, 'product_name', NEW.name, 'product_slug', NEW.slug,
                                  'customer_ids', coalesce((SELECT jsonb_agg(migration_plan.new_id('user', f.user_id))
                                                            FROM (SELECT user_id FROM favourites
                                                                  WHERE product_id = NEW.id LIMIT 500) AS f), '[]')));
    END IF;
    RETURN NULL;
END $$;

ALTER FUNCTION identity_service.tell_user() OWNER TO identity_service;
ALTER FUNCTION catalog_service.tell_product() OWNER TO catalog_service;

CREATE OR REPLACE TRIGGER count_version BEFORE UPDATE ON identity_service.users
    FOR EACH ROW EXECUTE FUNCTION migration_plan.count_version();
CREATE OR REPLACE TRIGGER count_version BEFORE UPDATE ON catalog_service.products
    FOR EACH ROW EXECUTE FUNCTION migration_plan.count_version();

-- A use case that writes one of these tables publishes by itself. It says so in its transaction:
-- SELECT set_config('outbox.by_application', 'on', true), and the triggers keep silent.
CREATE OR REPLACE TRIGGER tell_user AFTER INSERT OR UPDATE ON identity_service.users
    FOR EACH ROW WHEN (current_setting('outbox.by_application', true) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION identity_service.tell_user();
CREATE OR REPLACE TRIGGER tell_product AFTER UPDATE ON catalog_service.products
    FOR EACH ROW WHEN (current_setting('outbox.by_application', true) IS DISTINCT FROM 'on')
    EXECUTE FUNCTION catalog_service.tell_product();

COMMIT;
