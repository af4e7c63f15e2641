import { APP_ROLE_SQL } from "./app-role.ts";

/** Makes the platform's primary database: who may do what (`config`), and for whom (`customer`). One statement each. */
export const primarySchemaSql: readonly string[] = [
  APP_ROLE_SQL,
  "CREATE SCHEMA config",
  "CREATE SCHEMA customer",
  "COMMENT ON SCHEMA config IS 'Users, permissions and integrations of the platform'",
  "COMMENT ON SCHEMA customer IS 'The organizations that use the platform'",
  "CREATE TYPE config.user_status AS ENUM ('invited', 'active', 'suspended')",
  `CREATE TABLE customer.organizations (
     id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
     public_id uuid NOT NULL DEFAULT gen_random_uuid() UNIQUE,
     name text NOT NULL,
     slug text NOT NULL UNIQUE CHECK (slug ~ '^[a-z0-9-]+$'),
     kind text NOT NULL CHECK (kind IN ('hospital', 'clinic', 'laboratory', 'pharmacy')),
     settings jsonb NOT NULL DEFAULT '{}',
     created_at timestamptz NOT NULL DEFAULT now()
   )`,
  `CREATE TABLE customer.facilities (
     id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
     organization_id integer NOT NULL REFERENCES customer.organizations ON DELETE CASCADE,
     name text NOT NULL,
     city text NOT NULL,
     country char(2) NOT NULL,
     address jsonb NOT NULL,
     beds integer CHECK (beds >= 0),
     opened_on date,
     UNIQUE (organization_id, name)
   )`,
  "COMMENT ON COLUMN customer.facilities.beds IS 'Empty where patients do not stay overnight'",
  `CREATE TABLE config.users (
     id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
     public_id uuid NOT NULL DEFAULT gen_random_uuid() UNIQUE,
     organization_id integer NOT NULL REFERENCES customer.organizations,
     email text NOT NULL,
     full_name text NOT NULL,
     status config.user_status NOT NULL DEFAULT 'invited',
     password_hash text,
     preferences jsonb NOT NULL DEFAULT '{}',
     created_at timestamptz NOT NULL DEFAULT now(),
     last_login_at timestamptz CHECK (last_login_at >= created_at)
   )`,
  "CREATE UNIQUE INDEX users_email_key ON config.users (lower(email))",
  "CREATE INDEX users_organization_idx ON config.users (organization_id)",
  "COMMENT ON TABLE config.users IS 'Everybody who may log in'",
  `CREATE TABLE config.roles (
     id smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
     name text NOT NULL UNIQUE,
     description text NOT NULL
   )`,
  `CREATE TABLE config.permissions (
     id smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
     code text NOT NULL UNIQUE CHECK (code ~ '^[a-z_]+:[a-z]+$'),
     description text NOT NULL
   )`,
  `CREATE TABLE config.role_permissions (
     role_id smallint REFERENCES config.roles ON DELETE CASCADE,
     permission_id smallint REFERENCES config.permissions ON DELETE CASCADE,
     PRIMARY KEY (role_id, permission_id)
   )`,
  `CREATE TABLE config.user_roles (
     user_id bigint REFERENCES config.users ON DELETE CASCADE,
     role_id smallint REFERENCES config.roles,
     granted_by bigint REFERENCES config.users ON DELETE SET NULL,
     granted_at timestamptz NOT NULL DEFAULT now(),
     PRIMARY KEY (user_id, role_id)
   )`,
  `CREATE TABLE config.sessions (
     id uuid DEFAULT gen_random_uuid() PRIMARY KEY,
     user_id bigint NOT NULL REFERENCES config.users ON DELETE CASCADE,
     token_digest bytea NOT NULL,
     address inet NOT NULL,
     browser text NOT NULL,
     created_at timestamptz NOT NULL DEFAULT now(),
     expires_at timestamptz NOT NULL CHECK (expires_at > created_at)
   )`,
  "CREATE INDEX sessions_user_idx ON config.sessions (user_id)",
  "CREATE INDEX sessions_expires_idx ON config.sessions (expires_at)",
  `CREATE TABLE config.integration_runs (
     id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
     organization_id integer NOT NULL REFERENCES customer.organizations,
     facility_id integer REFERENCES customer.facilities ON DELETE SET NULL,
     source text NOT NULL,
     status text NOT NULL CHECK (status IN ('running', 'done', 'failed')),
     started_at timestamptz NOT NULL,
     finished_at timestamptz CHECK (finished_at >= started_at),
     rows_read integer NOT NULL DEFAULT 0,
     rows_written integer NOT NULL DEFAULT 0,
     error text,
     details jsonb,
     CHECK ((status = 'failed') = (error IS NOT NULL))
   )`,
  "CREATE INDEX integration_runs_started_idx ON config.integration_runs (organization_id, started_at DESC)",
  "CREATE INDEX integration_runs_failed_idx ON config.integration_runs (started_at) WHERE status = 'failed'",
  `CREATE VIEW customer.facility_overview AS
     SELECT f.id, f.name, f.city, o.name AS organization, o.kind,
            (SELECT max(r.started_at) FROM config.integration_runs r WHERE r.facility_id = f.id) AS last_run_at
       FROM customer.facilities f JOIN customer.organizations o ON o.id = f.organization_id`,
  "CREATE TABLE public.schema_migrations (version text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())",
  "GRANT USAGE ON SCHEMA config, customer TO app",
  "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA config, customer TO app",
  "GRANT USAGE ON ALL SEQUENCES IN SCHEMA config, customer TO app",
  "REVOKE UPDATE, DELETE ON config.permissions FROM app",
  "GRANT SELECT ON public.schema_migrations TO app",
  "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = customer, config, public', current_database()); END $$",
  "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET timezone = ''UTC''', current_database()); END $$",
];
