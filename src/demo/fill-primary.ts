import { DEMO_NOW, number, pick, pickPart, scaled, uuid } from "./fill.ts";
import { WORDS } from "./words.ts";

const ROLES = ["owner", "administrator", "buyer", "pharmacist", "auditor", "support", "integration", "guest"];
const OBJECTS = ["users", "roles", "facilities", "orders", "prices", "imports", "reports", "settings"];
const ACTIONS = ["read", "create", "change", "delete", "export"];

/** Statements that fill the primary database: about 140,000 rows at scale 1, every time the same. */
export function fillPrimarySql(scale: number): string[] {
  const organizations = scaled(400, scale);
  const facilities = scaled(2400, scale);
  const users = scaled(8000, scale);
  const sessions = scaled(60_000, scale);
  const runs = scaled(60_000, scale);
  return [
    `INSERT INTO customer.organizations (public_id, name, slug, kind, settings, created_at)
     SELECT ${uuid("g", 1)}, place || ' ' || initcap(kind) || ' ' || city, 'organization-' || g, kind,
            jsonb_build_object('locale', ${pick(["de", "en", "es", "fr", "nl", "pl"], "g", 5)},
                               'approval', ${number("g", 6, 3)} = 0, 'seats', 5 + ${number("g", 7, 200)}),
            ${DEMO_NOW} - interval '1 day' * (30 + ${number("g", 8, 2000)})
       FROM generate_series(1::bigint, ${organizations}) g,
            LATERAL (SELECT ${pick(WORDS.places, "g", 2)} AS place, ${pick(WORDS.organizationKinds, "g", 3)} AS kind,
                            ${pickPart(WORDS.cities, "word", "g", 4)} AS city) AS words
      ORDER BY g`,
    `INSERT INTO customer.facilities (organization_id, name, city, country, address, beds, opened_on)
     SELECT 1 + ${number("g", 11, organizations)}, ${pick(WORDS.facilityKinds, "g", 12)} || ' ' || g,
            ${pickPart(WORDS.cities, "word", "g", 13)}, ${pickPart(WORDS.cities, "country", "g", 13)},
            jsonb_build_object('street', ${pick(WORDS.streets, "g", 15)} || ' Street ' || 1 + ${number("g", 16, 180)},
                               'postcode', lpad((${number("g", 17, 99_999)})::text, 5, '0')),
            CASE WHEN ${number("g", 18, 3)} = 0 THEN 10 + ${number("g", 19, 400)} END,
            date '1950-01-01' + (${number("g", 20, 27_000)})::int
       FROM generate_series(1::bigint, ${facilities}) g ORDER BY g`,
    `INSERT INTO config.roles (name, description)
     SELECT name, 'May act as ' || name FROM unnest(ARRAY['${ROLES.join("','")}']) WITH ORDINALITY r (name, n) ORDER BY n`,
    `INSERT INTO config.permissions (code, description)
     SELECT object || ':' || action, 'May ' || action || ' ' || object
       FROM unnest(ARRAY['${OBJECTS.join("','")}']) WITH ORDINALITY o (object, m),
            unnest(ARRAY['${ACTIONS.join("','")}']) WITH ORDINALITY a (action, n) ORDER BY m, n`,
    `INSERT INTO config.role_permissions
     SELECT r.id, p.id FROM config.roles r, config.permissions p
      WHERE r.name = 'owner' OR ${number("r.id * 1000 + p.id", 21, 3)} = 0 ORDER BY 1, 2`,
    `INSERT INTO config.users
       (public_id, organization_id, email, full_name, status, password_hash, preferences, created_at, last_login_at)
     SELECT ${uuid("g", 31)}, 1 + ${number("g", 32, organizations)},
            'user' || g || '@' || 'organization-' || 1 + ${number("g", 32, organizations)} || '.example',
            ${pick(WORDS.firstNames, "g", 33)} || ' ' || ${pick(WORDS.lastNames, "g", 34)}, status,
            CASE WHEN status <> 'invited' THEN 'sha256:' || encode(sha256(('password' || g)::bytea), 'base64') END,
            jsonb_build_object('theme', ${pick(["dark", "light", "system"], "g", 35)}, 'mail', ${number("g", 36, 2)} = 0),
            created, CASE WHEN status = 'active' THEN created + (${DEMO_NOW} - created) * ${number("g", 37, 1000)} / 1000 END
       FROM generate_series(1::bigint, ${users}) g,
            LATERAL (SELECT (ARRAY['active','active','active','active','invited','suspended']::config.user_status[])
                              [1 + ${number("g", 38, 6)}::int] AS status,
                            ${DEMO_NOW} - interval '1 hour' * (24 + ${number("g", 39, 30_000)}) AS created) AS made
      ORDER BY g`,
    `INSERT INTO config.user_roles (user_id, role_id, granted_by, granted_at)
     SELECT u.id, 1 + ${number("u.id", 42, ROLES.length)}, CASE WHEN u.id > 1 THEN 1 END, u.created_at
       FROM config.users u ORDER BY u.id`,
    `INSERT INTO config.sessions (id, user_id, token_digest, address, browser, created_at, expires_at)
     SELECT ${uuid("g", 51)}, 1 + ${number("g", 52, users)}, sha256(('token' || g)::bytea),
            '10.0.0.0'::inet + ${number("g", 53, 16_000_000)}, ${pick(WORDS.browsers, "g", 54)},
            created, created + interval '14 days'
       FROM generate_series(1::bigint, ${sessions}) g,
            LATERAL (SELECT ${DEMO_NOW} - interval '1 second' * ${number("g", 55, 2_500_000)} AS created) AS made
      ORDER BY g`,
    `INSERT INTO config.integration_runs
       (organization_id, facility_id, source, status, started_at, finished_at, rows_read, rows_written, error, details)
     SELECT f.organization_id, f.id, ${pick(WORDS.sources, "g", 62)}, status, started,
            started + interval '1 second' * (1 + ${number("g", 63, 900)}), read,
            CASE WHEN status = 'done' THEN read ELSE 0 END,
            CASE WHEN status = 'failed' THEN ${pick(WORDS.failures, "g", 64)} END,
            jsonb_build_object('attempt', 1 + ${number("g", 65, 3)}, 'file', 'import-' || g || '.json')
       FROM generate_series(1::bigint, ${runs}) g
       JOIN customer.facilities f ON f.id = 1 + ${number("g", 61, facilities)},
            LATERAL (SELECT CASE WHEN ${number("g", 66, 25)} = 0 THEN 'failed' ELSE 'done' END AS status,
                            (${number("g", 67, 5000)})::int AS read,
                            ${DEMO_NOW} - interval '20 minutes' * (${runs} - g) - interval '1 hour' AS started) AS made
      ORDER BY g`,
    `INSERT INTO public.schema_migrations
     SELECT '2024' || lpad(g::text, 4, '0'), ${DEMO_NOW} - interval '9 days' * (13 - g) FROM generate_series(1, 12) g`,
    "ANALYZE",
  ];
}
