-- Which table goes to which context. The one list to adapt: every later step reads it.
-- A table is named as it is in the legacy schema; what is not listed stays where it is.

CREATE SCHEMA IF NOT EXISTS migration_plan;
CREATE TABLE IF NOT EXISTS migration_plan.owners (table_name text PRIMARY KEY, schema_name text NOT NULL);
INSERT INTO migration_plan.owners (table_name, schema_name) VALUES
    ('users', 'identity_service'), ('addresses', 'identity_service'),
    ('categories', 'catalog_service'), ('products', 'catalog_service'), ('reviews', 'catalog_service'),
    ('favourites', 'catalog_service'),
    ('coupons', 'promotion_service'),
    ('carts', 'cart_service'), ('cart_items', 'cart_service'),
    ('orders', 'order_service'), ('order_items', 'order_service'), ('payments', 'order_service'),
    ('order_tracking', 'order_service'),
    ('email_templates', 'notification_service'), ('notifications', 'notification_service')
ON CONFLICT (table_name) DO UPDATE SET schema_name = excluded.schema_name;
