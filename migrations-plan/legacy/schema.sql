-- A legacy shop in one schema, small enough to read: the patient on which the phases are tried.
-- Every table is in "public", owned by one role, and foreign keys go everywhere.
-- Run it in an empty database: psql -d legacy_shop -f legacy/schema.sql

\set ON_ERROR_STOP on
BEGIN;

DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'legacy_app') THEN CREATE ROLE legacy_app LOGIN; END IF;
END $$;
GRANT CREATE, USAGE ON SCHEMA public TO legacy_app;
SET LOCAL ROLE legacy_app;

CREATE TABLE users (
    id serial PRIMARY KEY, email text NOT NULL UNIQUE, name text NOT NULL DEFAULT '', password text NOT NULL DEFAULT '',
    locale text NOT NULL DEFAULT 'pt-BR', email_verified_at timestamptz, created_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE addresses (
    id serial PRIMARY KEY, user_id int NOT NULL REFERENCES users ON DELETE CASCADE, street text NOT NULL, city text NOT NULL,
    state char(2) NOT NULL, cep char(8) NOT NULL);

CREATE TABLE categories (id serial PRIMARY KEY, name text NOT NULL, parent_id int REFERENCES categories);
CREATE TABLE products (
    id serial PRIMARY KEY, category_id int NOT NULL REFERENCES categories, sku text NOT NULL UNIQUE, slug text NOT NULL UNIQUE,
    name text NOT NULL, price numeric(12, 2) NOT NULL CHECK (price >= 0), stock int NOT NULL DEFAULT 0 CHECK (stock >= 0),
    deleted_at timestamptz);
CREATE TABLE reviews (
    id serial PRIMARY KEY, product_id int NOT NULL REFERENCES products ON DELETE CASCADE,
    user_id int NOT NULL REFERENCES users ON DELETE CASCADE, rating int NOT NULL CHECK (rating BETWEEN 1 AND 5), body text);
CREATE TABLE favourites (
    user_id int NOT NULL REFERENCES users ON DELETE CASCADE, product_id int NOT NULL REFERENCES products ON DELETE CASCADE,
    PRIMARY KEY (user_id, product_id));

CREATE TABLE coupons (id serial PRIMARY KEY, code text NOT NULL UNIQUE, percent numeric(5, 2) NOT NULL, usage_limit int);

CREATE TABLE carts (
    id serial PRIMARY KEY, user_id int REFERENCES users ON DELETE SET NULL, coupon_id int REFERENCES coupons,
    status text NOT NULL DEFAULT 'open', updated_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE cart_items (
    id serial PRIMARY KEY, cart_id int NOT NULL REFERENCES carts ON DELETE CASCADE,
    product_id int NOT NULL REFERENCES products, quantity int NOT NULL CHECK (quantity > 0));

CREATE TABLE orders (
    id serial PRIMARY KEY, user_id int NOT NULL REFERENCES users, cart_id int REFERENCES carts,
    address_id int NOT NULL REFERENCES addresses, coupon_id int REFERENCES coupons, status text NOT NULL DEFAULT 'pending',
    total numeric(12, 2) NOT NULL, created_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE order_items (
    id serial PRIMARY KEY, order_id int NOT NULL REFERENCES orders ON DELETE CASCADE,
    product_id int NOT NULL REFERENCES products, quantity int NOT NULL CHECK (quantity > 0), price numeric(12, 2) NOT NULL);
CREATE TABLE payments (
    id serial PRIMARY KEY, order_id int NOT NULL REFERENCES orders, method text NOT NULL, amount numeric(12, 2) NOT NULL,
    status text NOT NULL);
CREATE TABLE order_tracking (
    id serial PRIMARY KEY, order_id int NOT NULL REFERENCES orders ON DELETE CASCADE, status text NOT NULL,
    at timestamptz NOT NULL DEFAULT now());

CREATE TABLE email_templates (id serial PRIMARY KEY, name text NOT NULL UNIQUE, body text NOT NULL);
CREATE TABLE notifications (
    id serial PRIMARY KEY, user_id int NOT NULL REFERENCES users ON DELETE CASCADE, order_id int REFERENCES orders,
    template_id int NOT NULL REFERENCES email_templates, sent_at timestamptz);

INSERT INTO users (email, name, email_verified_at)
SELECT 'customer' || n || '@example.com', 'Customer ' || n, CASE WHEN n % 2 = 0 THEN now() END FROM generate_series(1, 100) n;
INSERT INTO addresses (user_id, street, city, state, cep) SELECT id, 'Rua ' || id, 'São Paulo', 'SP', '01310100' FROM users;
INSERT INTO categories (name) VALUES ('Cafés'), ('Canecas');
INSERT INTO products (category_id, sku, slug, name, price, stock)
SELECT 1 + n % 2, 'SKU-' || n, 'product-' || n, 'Product ' || n, 10 + n, n % 7 FROM generate_series(1, 50) n;
INSERT INTO reviews (product_id, user_id, rating) SELECT 1 + n % 50, n, 1 + n % 5 FROM generate_series(1, 100) n;
INSERT INTO favourites SELECT n, 1 + n % 50 FROM generate_series(1, 100) n;
INSERT INTO coupons (code, percent) VALUES ('WELCOME', 10);
INSERT INTO carts (user_id) SELECT id FROM users;
INSERT INTO cart_items (cart_id, product_id, quantity) SELECT n, 1 + n % 50, 1 FROM generate_series(1, 100) n;
INSERT INTO orders (user_id, cart_id, address_id, total) SELECT n, n, n, 20 FROM generate_series(1, 80) n;
INSERT INTO order_items (order_id, product_id, quantity, price) SELECT n, 1 + n % 50, 1, 20 FROM generate_series(1, 80) n;
INSERT INTO payments (order_id, method, amount, status) SELECT id, 'card', total, 'captured' FROM orders;
INSERT INTO email_templates (name, body) VALUES ('confirmation', 'Obrigado');
INSERT INTO notifications (user_id, order_id, template_id) SELECT user_id, id, 1 FROM orders;

COMMIT;
