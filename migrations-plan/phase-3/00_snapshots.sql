-- History must not depend on a row of another context: copy what an order says into the order, while it is one join away.
-- As an administrator: psql -d legacy_shop -f phase-3/00_snapshots.sql
-- Safe to repeat. On a large table run the UPDATEs in batches by id range. From here on the application writes the
-- snapshots itself when it places an order.

\set ON_ERROR_STOP on
BEGIN;
SET LOCAL lock_timeout = '5s';
ALTER TABLE order_service.orders ADD COLUMN IF NOT EXISTS address_snapshot jsonb,
                                 ADD COLUMN IF NOT EXISTS coupon_snapshot jsonb;
ALTER TABLE order_service.order_items ADD COLUMN IF NOT EXISTS sku text, ADD COLUMN IF NOT EXISTS name text;
COMMIT;

UPDATE order_service.orders o SET address_snapshot = jsonb_build_object(
    'recipient', u.name, 'street', a.street, 'city', a.city, 'state', a.state, 'cep', a.cep, 'country', 'BR')
FROM identity_service.addresses a JOIN identity_service.users u ON u.id = a.user_id
WHERE a.id = o.address_id AND o.address_snapshot IS NULL;

UPDATE order_service.orders o SET coupon_snapshot = jsonb_build_object('code', c.code, 'percent', c.percent)
FROM promotion_service.coupons c WHERE c.id = o.coupon_id AND o.coupon_snapshot IS NULL;

UPDATE order_service.order_items i SET sku = p.sku, name = p.name
FROM catalog_service.products p WHERE p.id = i.product_id AND i.sku IS NULL;
