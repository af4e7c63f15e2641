import { expect, test } from "vitest";
import { type FreshDatabase, freshDatabase, uniqueName } from "../../test/support/postgres.ts";
import { noAbort, testRuntime } from "../../test/support/runtime.ts";
import { connect, type Session } from "../postgres/session.ts";
import { createData, createPrimary, fillData, fillPrimary, tableFingerprints } from "./platform.ts";

const SCALE = 0.01;
const PLATFORM = [
  { name: "primary", create: createPrimary, fill: fillPrimary, schemas: ["config", "customer"] },
  { name: "data", create: createData, fill: fillData, schemas: ["workspace", "reference"] },
];

const FOREIGN_SETTINGS = ["datestyle = 'German'", "timezone = 'Europe/Berlin'", "bytea_output = 'escape'"];

async function session(database: FreshDatabase): Promise<Session> {
  return await connect(testRuntime(), database.settings, noAbort());
}

test.each(PLATFORM)(
  "$name has the same rows every time, in every table",
  async ({ create, fill, schemas }) => {
    const runs = [];
    for (let run = 0; run < 2; run++) {
      await using database = await freshDatabase();
      await using own = await session(database);
      await create(own);
      // Values are written differently in the second run; what they are stays the same.
      for (const setting of run === 0 ? [] : FOREIGN_SETTINGS) await own.query(`SET ${setting}`);
      await fill(own, SCALE);
      runs.push(await tableFingerprints(own, schemas));
    }
    const [first, second] = runs;
    expect(second).toEqual(first);
    expect(first?.length).toBeGreaterThan(6);
    expect(first?.filter(({ rows }) => rows === 0)).toEqual([]);
    expect(new Set(first?.map(({ schema }) => schema))).toEqual(new Set(schemas));
    const total = first?.reduce((sum, { rows }) => sum + rows, 0) ?? 0;
    expect(total / SCALE).toBeGreaterThan(100_000);
  },
);

test("a fingerprint depends on every row and on nothing else", async () => {
  await using database = await freshDatabase();
  await using own = await session(database);
  await createPrimary(own);
  await fillPrimary(own, SCALE);
  const roles = async (): Promise<unknown> =>
    (await tableFingerprints(own, ["config"])).find(({ name }) => name === "roles");
  const before = await roles();
  // The rows move to other places.
  await own.query("UPDATE config.roles SET description = description || '' WHERE id < 4");
  await own.query("VACUUM FULL config.roles");
  expect(await roles()).toEqual(before);
  await own.query("UPDATE config.roles SET description = 'May do nothing' WHERE name = 'guest'");
  expect(await roles()).not.toEqual(before);
  expect(await tableFingerprints(own, ["no such schema"])).toEqual([]);
});

test("a failed fingerprint leaves the session usable", async () => {
  await using database = await freshDatabase({ sql: "CREATE SCHEMA s; CREATE TABLE s.t (a int)" });
  await using own = await session(database);
  const stranger = uniqueName();
  await own.query(`CREATE ROLE ${stranger}`);
  await own.query(`GRANT USAGE ON SCHEMA s TO ${stranger}`);
  await own.query(`SET ROLE ${stranger}`);
  try {
    await expect(tableFingerprints(own, ["s"])).rejects.toMatchObject({ code: "privilege_missing" });
  } finally {
    await own.query("RESET ROLE");
    await own.query(`DROP OWNED BY ${stranger}`);
    await own.query(`DROP ROLE ${stranger}`);
  }
  expect(await tableFingerprints(own, ["s"])).toMatchObject([{ name: "t", rows: 0 }]);
});

test("the primary database works: names are names, logins are unique, the view shows facilities", async () => {
  await using database = await freshDatabase();
  {
    await using own = await session(database);
    await createPrimary(own);
    await fillPrimary(own, SCALE);
  }
  // A new connection, because database settings apply from the next one on.
  const [user] = await database.query("SELECT * FROM users WHERE id = 1");
  expect(user).toMatchObject({ full_name: expect.stringMatching(/^\p{L}+ [\p{L}']+$/u) as string });
  expect(await database.query("SELECT * FROM facility_overview WHERE last_run_at IS NULL")).not.toHaveLength(
    24,
  );
  expect(await database.query("SELECT DISTINCT status FROM users")).toHaveLength(3);
  await expect(
    database.query(
      "INSERT INTO users (organization_id, email, full_name) SELECT 1, upper(email), 'x' FROM users",
    ),
  ).rejects.toMatchObject({ code: "23505" });
  const [made] = await database.query<{ public_id: string }>(
    "INSERT INTO users (organization_id, email, full_name) VALUES (1, 'new@user.example', 'New User') RETURNING public_id",
  );
  expect(made?.public_id).toMatch(/^[0-9a-f-]{36}$/);
});

test("the data database works: search, prices, summary, trigger, what lies outside its schemas", async () => {
  await using database = await freshDatabase();
  {
    await using own = await session(database);
    await createData(own);
    await fillData(own, SCALE);
  }
  expect(
    await database.query("SELECT 1 FROM products WHERE search_name LIKE '%glove%' LIMIT 1"),
  ).toHaveLength(1);
  const [{ price } = {}] = await database.query(
    "SELECT price_on(1, '2024-06-01') > price_on(1, '2023-06-01') AS price",
  );
  expect(price).toBe(true);
  const [{ products } = {}] = await database.query(
    "SELECT sum(products)::int AS products FROM manufacturer_summary",
  );
  expect(products).toBe(500);
  const [{ touched } = {}] = await database.query(
    "UPDATE products SET is_active = NOT is_active WHERE id = 1 RETURNING updated_at = now() AS touched",
  );
  expect(touched).toBe(true);
  expect(await database.query("SELECT * FROM public.schema_migrations")).toHaveLength(30);
  const [settings] = await database.query(
    "SELECT setconfig FROM pg_db_role_setting WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())",
  );
  expect(settings).toEqual({ setconfig: ["search_path=reference, workspace, public", "work_mem=16MB"] });
  const [{ may } = {}] = await database.query(
    "SELECT has_table_privilege('app', 'products', 'SELECT') AS may",
  );
  expect(may).toBe(true);
});
