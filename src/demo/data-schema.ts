import { APP_ROLE_SQL } from "./app-role.ts";

/** Makes the platform's data database: what was imported (`workspace`), and the catalogue made of it (`reference`). */
export const dataSchemaSql: readonly string[] = [
  APP_ROLE_SQL,
  "CREATE EXTENSION pg_trgm SCHEMA public",
  'CREATE EXTENSION "uuid-ossp" SCHEMA public',
  "CREATE SCHEMA workspace",
  "CREATE SCHEMA reference",
  "COMMENT ON SCHEMA workspace IS 'Raw imports; can be fetched again from the suppliers'",
  "COMMENT ON SCHEMA reference IS 'The catalogue; can be rebuilt from the raw imports'",
  `CREATE TABLE workspace.raw_imports (
     id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
     public_id uuid NOT NULL DEFAULT public.uuid_generate_v4(),
     source text NOT NULL,
     file_name text NOT NULL,
     line integer NOT NULL CHECK (line > 0),
     received_at timestamptz NOT NULL DEFAULT now(),
     state text NOT NULL CHECK (state IN ('new', 'transformed', 'rejected')),
     payload jsonb NOT NULL,
     checksum bytea NOT NULL,
     UNIQUE (file_name, line)
   )`,
  "CREATE INDEX raw_imports_new_idx ON workspace.raw_imports (received_at) WHERE state = 'new'",
  `CREATE TABLE workspace.import_errors (
     id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
     raw_import_id bigint NOT NULL REFERENCES workspace.raw_imports ON DELETE CASCADE,
     message text NOT NULL,
     context jsonb,
     happened_at timestamptz NOT NULL DEFAULT now()
   )`,
  "CREATE INDEX import_errors_import_idx ON workspace.import_errors (raw_import_id)",
  `CREATE TABLE reference.manufacturers (
     id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
     name text NOT NULL UNIQUE,
     country char(2) NOT NULL,
     website text
   )`,
  `CREATE TABLE reference.categories (
     id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
     parent_id integer REFERENCES reference.categories,
     name text NOT NULL,
     UNIQUE (parent_id, name)
   )`,
  `CREATE TABLE reference.products (
     id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
     public_id uuid NOT NULL DEFAULT gen_random_uuid() UNIQUE,
     manufacturer_id integer NOT NULL REFERENCES reference.manufacturers,
     category_id integer NOT NULL REFERENCES reference.categories,
     name text NOT NULL,
     search_name text GENERATED ALWAYS AS (lower(name)) STORED,
     attributes jsonb NOT NULL DEFAULT '{}',
     is_active boolean NOT NULL DEFAULT true,
     created_at timestamptz NOT NULL DEFAULT now(),
     updated_at timestamptz NOT NULL DEFAULT now()
   )`,
  "CREATE INDEX products_search_idx ON reference.products USING gin (search_name public.gin_trgm_ops)",
  "CREATE INDEX products_manufacturer_idx ON reference.products (manufacturer_id)",
  "CREATE INDEX products_category_idx ON reference.products (category_id) WHERE is_active",
  `CREATE TABLE reference.product_codes (
     product_id bigint NOT NULL REFERENCES reference.products ON DELETE CASCADE,
     kind text NOT NULL CHECK (kind IN ('gtin', 'order')),
     code text NOT NULL,
     PRIMARY KEY (product_id, kind),
     UNIQUE (kind, code)
   )`,
  `CREATE TABLE reference.prices (
     id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
     product_id bigint NOT NULL REFERENCES reference.products ON DELETE CASCADE,
     currency char(3) NOT NULL,
     amount numeric(12, 4) NOT NULL CHECK (amount > 0),
     valid_from date NOT NULL,
     valid_until date CHECK (valid_until > valid_from),
     UNIQUE (product_id, currency, valid_from)
   )`,
  "COMMENT ON COLUMN reference.prices.amount IS 'For one packaging unit, without tax'",
  `CREATE FUNCTION reference.price_on(product bigint, day date, in_currency char(3) DEFAULT 'EUR') RETURNS numeric
     LANGUAGE sql STABLE
     BEGIN ATOMIC
       SELECT p.amount FROM reference.prices p
        WHERE p.product_id = product AND p.currency = in_currency
          AND p.valid_from <= day AND (p.valid_until IS NULL OR p.valid_until > day);
     END`,
  `CREATE FUNCTION reference.touch_updated_at() RETURNS trigger LANGUAGE plpgsql AS $$
     BEGIN
       NEW.updated_at := now();
       RETURN NEW;
     END $$`,
  `CREATE TRIGGER products_touch BEFORE UPDATE ON reference.products
     FOR EACH ROW EXECUTE FUNCTION reference.touch_updated_at()`,
  `CREATE MATERIALIZED VIEW reference.manufacturer_summary AS
     SELECT m.id, m.name, count(p.id) AS products, min(r.amount) AS lowest_price, max(r.amount) AS highest_price
       FROM reference.manufacturers m
       LEFT JOIN reference.products p ON p.manufacturer_id = m.id
       LEFT JOIN reference.prices r ON r.product_id = p.id AND r.valid_until IS NULL
      GROUP BY m.id, m.name`,
  "CREATE UNIQUE INDEX manufacturer_summary_key ON reference.manufacturer_summary (id)",
  "CREATE TABLE public.schema_migrations (version text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())",
  "GRANT USAGE ON SCHEMA workspace, reference TO app",
  "GRANT SELECT ON ALL TABLES IN SCHEMA reference TO app",
  "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA workspace TO app",
  "GRANT USAGE ON ALL SEQUENCES IN SCHEMA workspace TO app",
  "ALTER DEFAULT PRIVILEGES IN SCHEMA reference GRANT SELECT ON TABLES TO app",
  "GRANT SELECT ON public.schema_migrations TO app",
  "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = reference, workspace, public', current_database()); END $$",
  "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET work_mem = ''16MB''', current_database()); END $$",
];
