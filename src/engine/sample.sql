-- The sample cluster of `pgdrill demo`: five databases of unequal size, two roles with grants.
-- Each `\connect` starts a database; the program that reads this splits it there.
CREATE ROLE app_owner LOGIN PASSWORD 'sample';
CREATE ROLE reporting NOLOGIN;
GRANT reporting TO app_owner;
CREATE DATABASE analytics OWNER app_owner;
CREATE DATABASE billing OWNER app_owner;
CREATE DATABASE documents OWNER app_owner;
CREATE DATABASE inventory OWNER app_owner;
CREATE DATABASE shop OWNER app_owner;
ALTER DATABASE shop SET work_mem = '8MB';
GRANT CONNECT ON DATABASE shop TO reporting;
\connect analytics
SET ROLE app_owner;
CREATE TABLE events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL,
    kind text NOT NULL,
    payload jsonb NOT NULL
);
INSERT INTO events (at, kind, payload)
SELECT timestamptz '2026-01-01' + n * interval '13 seconds',
       (array['view', 'click', 'order', 'return'])[1 + n % 4],
       jsonb_build_object('n', n, 'hash', md5(n::text))
FROM generate_series(1, 100000) n;
CREATE INDEX events_at ON events (at);
CREATE INDEX events_payload ON events USING gin (payload);
\connect billing
SET ROLE app_owner;
CREATE SCHEMA ledger;
CREATE TABLE ledger.accounts (id int PRIMARY KEY, name text NOT NULL UNIQUE);
CREATE TABLE ledger.entries (
    account int NOT NULL REFERENCES ledger.accounts,
    at date NOT NULL,
    amount numeric(12, 2) NOT NULL CHECK (amount <> 0)
);
INSERT INTO ledger.accounts SELECT n, 'account ' || n FROM generate_series(1, 50) n;
INSERT INTO ledger.entries
SELECT 1 + n % 50, date '2026-01-01' + n % 30, (n % 997) + 0.25 FROM generate_series(1, 10000) n;
GRANT USAGE ON SCHEMA ledger TO reporting;
GRANT SELECT ON ALL TABLES IN SCHEMA ledger TO reporting;
\connect documents
SET ROLE app_owner;
CREATE TABLE papers (title text PRIMARY KEY, file oid NOT NULL);
INSERT INTO papers
SELECT 'contract', lo_from_bytea(0, decode(repeat('c0ffee', 100000), 'hex'));
\connect inventory
SET ROLE app_owner;
CREATE TABLE items (sku text PRIMARY KEY, stock int NOT NULL);
INSERT INTO items SELECT 'sku-' || n, n % 40 FROM generate_series(1, 500) n;
\connect shop
SET ROLE app_owner;
CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL);
CREATE TABLE orders (
    id serial PRIMARY KEY,
    customer int NOT NULL REFERENCES customers,
    created_at timestamptz NOT NULL
);
CREATE TABLE items (
    id serial PRIMARY KEY,
    order_id int NOT NULL REFERENCES orders,
    price numeric(8, 2) NOT NULL
);
INSERT INTO customers SELECT n, 'customer ' || n FROM generate_series(1, 500) n;
INSERT INTO orders (customer, created_at)
SELECT 1 + n % 500, timestamptz '2026-01-29 12:00+00' - n * interval '1 minute'
FROM generate_series(1, 20000) n;
INSERT INTO items (order_id, price)
SELECT 1 + n % 20000, (n % 100) + 0.99 FROM generate_series(1, 60000) n;
CREATE INDEX items_order ON items (order_id);
CREATE VIEW order_totals AS
    SELECT o.id, o.customer, sum(i.price) AS total
    FROM orders o JOIN items i ON i.order_id = o.id GROUP BY o.id;
GRANT SELECT ON orders, items, order_totals TO reporting;
