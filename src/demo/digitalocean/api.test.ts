import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { ask, NEW_CLUSTER, type Said, testEmulator } from "../../../test/support/emulator.ts";
import { runSql } from "../../../test/support/postgres.ts";
import type { Emulator } from "./emulator.ts";
import { RateLimit } from "./rate-limit.ts";

let emulator: Emulator;
let id: string;

beforeAll(async () => {
  emulator = await testEmulator({ enforceFirewall: true, onlineAfter: 50 });
  const made = await create({ name: "shop", tags: ["production", "team:web"] });
  expect(made).toMatchObject({ status: 201, body: { database: { name: "shop", status: "creating" } } });
  id = made.body.database.id;
  await emulator.settled("shop");
});

afterAll(async () => {
  await emulator[Symbol.asyncDispose]();
});

afterEach(() => {
  emulator.faults.clear();
});

test("a cluster is found by its id, in the list, and by a tag; its server is a real one of that version", async () => {
  const { body } = await ask(emulator, "GET", `/v2/databases/${id}`);
  const { connection, private_connection, ...rest } = body.database;
  expect(rest).toMatchObject({ status: "online", region: "fra1", num_nodes: 1, db_names: ["defaultdb"] });
  expect(private_connection).toEqual(connection);
  expect(connection).toMatchObject({ host: "127.0.0.1", user: "doadmin", database: "defaultdb", ssl: false });
  const [row] = await runSql(
    connection.uri,
    `select current_setting('server_version_num')::int / 10000 as major, inet_server_port() as port,
            current_user::text as name, current_database()::text as database, rolsuper as super, rolcreatedb as creates
       from pg_roles where rolname = current_user`,
  );
  expect(row).toEqual({
    major: Number(rest.version),
    port: connection.port,
    name: "doadmin",
    database: "defaultdb",
    super: false,
    creates: true,
  });
  expect((await ask(emulator, "GET", "/v2/databases")).body.databases).toEqual([body.database]);
  expect((await ask(emulator, "GET", "/v2/databases?tag_name=team%3Aweb")).body.databases).toHaveLength(1);
  expect((await ask(emulator, "GET", "/v2/databases?tag_name=other")).body.databases).toEqual([]);
  const asSuperuser = new URL(connection.uri);
  asSuperuser.username = "postgres";
  await expect(runSql(asSuperuser.href, "select")).rejects.toMatchObject({ code: "28P01" });
});

test("account, options, events", async () => {
  expect((await ask(emulator, "GET", "/v2/account")).body.account).toMatchObject({ status: "active" });
  const { options } = (await ask(emulator, "GET", "/v2/databases/options")).body;
  expect(options.pg.versions).toContain(options.pg.default_version);
  expect(options.pg.layouts[0].sizes).toContain(NEW_CLUSTER.size);
  const { events } = (await ask(emulator, "GET", `/v2/databases/${id}/events`)).body;
  expect(events[0]).toMatchObject({ cluster_name: "shop", event_type: "cluster_create" });
  expect((await ask(emulator, "GET", `/v2/databases/${id}/ca`)).status).toBe(404);
});

test("users are roles: made, given another password, and deleted with what they own passed on", async () => {
  const users = `/v2/databases/${id}/users`;
  const made = await ask(emulator, "POST", users, { name: "app-01" });
  expect(made).toMatchObject({ status: 201, body: { user: { name: "app-01", role: "normal" } } });
  expect(await ask(emulator, "POST", users, { name: "app-01" })).toMatchObject({ status: 422 });
  expect(await ask(emulator, "POST", users, { name: "postgres" })).toMatchObject({ status: 422 });
  const url = async (password: string): Promise<string> => {
    const { connection } = (await ask(emulator, "GET", `/v2/databases/${id}`)).body.database;
    return Object.assign(new URL(connection.uri), { username: "app-01", password }).href;
  };
  const old = await url(made.body.user.password);
  expect(await runSql(old, "select current_user::text as name")).toEqual([{ name: "app-01" }]);
  const admin = (await ask(emulator, "GET", `/v2/databases/${id}`)).body.database.connection.uri;
  await runSql(admin, `create schema mine authorization "doadmin"; grant all on schema mine to "app-01"`);
  await runSql(old, "create table mine.t as select 1 as a");

  const reset = await ask(emulator, "POST", `${users}/app-01/reset_auth`, {});
  expect(reset.status).toBe(200);
  await expect(runSql(old, "select")).rejects.toMatchObject({ code: "28P01" });
  expect(await runSql(await url(reset.body.user.password), "select a from mine.t")).toEqual([{ a: 1 }]);
  expect((await ask(emulator, "GET", `${users}/app-01`)).body).toEqual(reset.body);

  expect((await ask(emulator, "DELETE", `${users}/app-01`)).status).toBe(204);
  expect((await ask(emulator, "GET", `${users}/app-01`)).status).toBe(404);
  expect(await runSql(admin, "select a from mine.t")).toEqual([{ a: 1 }]);
  expect((await ask(emulator, "DELETE", `${users}/doadmin`)).status).toBe(422);
  const listed = (await ask(emulator, "GET", users)).body.users;
  expect(listed).toMatchObject([{ name: "doadmin", role: "primary" }]);
});

test("databases and pools; a pool's connection works", async () => {
  const dbs = `/v2/databases/${id}/dbs`;
  const pools = `/v2/databases/${id}/pools`;
  expect((await ask(emulator, "POST", dbs, { name: "primary" })).status).toBe(201);
  expect((await ask(emulator, "POST", dbs, { name: "primary" })).status).toBe(422);
  expect((await ask(emulator, "GET", dbs)).body.dbs).toEqual([{ name: "defaultdb" }, { name: "primary" }]);
  expect((await ask(emulator, "GET", `${dbs}/primary`)).body).toEqual({ db: { name: "primary" } });

  const pool = { name: "web-pool", mode: "transaction", size: 5, db: "primary", user: "doadmin" };
  const made = await ask(emulator, "POST", pools, pool);
  expect(made).toMatchObject({ status: 201, body: { pool } });
  const query = "select current_database()::text as name";
  expect(await runSql(made.body.pool.connection.uri, query)).toEqual([{ name: "primary" }]);
  for (const wrong of [{ db: "none" }, { user: "none" }, { mode: "magic" }, { name: "web-pool" }])
    expect(await ask(emulator, "POST", pools, { ...pool, name: "other-pool", ...wrong })).toMatchObject({
      status: 422,
    });
  const { name: _, ...changed } = { ...pool, size: 7 };
  expect((await ask(emulator, "PUT", `${pools}/web-pool`, changed)).status).toBe(204);
  expect((await ask(emulator, "GET", `${pools}/web-pool`)).body.pool).toMatchObject({ size: 7 });
  expect((await ask(emulator, "GET", pools)).body.pools).toHaveLength(1);
  expect((await ask(emulator, "DELETE", `${pools}/web-pool`)).status).toBe(204);
  expect((await ask(emulator, "GET", pools)).body.pools).toEqual([]);
  expect((await ask(emulator, "DELETE", `${dbs}/primary`)).status).toBe(204);
  expect((await ask(emulator, "DELETE", `${dbs}/defaultdb`)).status).toBe(422);
  expect((await ask(emulator, "GET", dbs)).body.dbs).toEqual([{ name: "defaultdb" }]);
});

test("trusted sources decide who may connect, and keep their ids while they stay", async () => {
  const firewall = `/v2/databases/${id}/firewall`;
  const { uri } = (await ask(emulator, "GET", `/v2/databases/${id}`)).body.database.connection;
  const office = { type: "ip_addr", value: "203.0.113.7", description: "office" };
  expect((await ask(emulator, "PUT", firewall, { rules: [office] })).status).toBe(204);
  await expect.poll(() => runSql(uri, "select").catch((error: { code: string }) => error.code)).toBe("28000");
  const [first] = (await ask(emulator, "GET", firewall)).body.rules;
  expect(first).toMatchObject({ ...office, cluster_uuid: id });
  const here = { type: "ip_addr", value: "127.0.0.1" };
  expect((await ask(emulator, "PUT", firewall, { rules: [first, here] })).status).toBe(204);
  await expect.poll(() => runSql(uri, "select 1 as a").catch(() => [])).toEqual([{ a: 1 }]);
  expect((await ask(emulator, "GET", firewall)).body.rules[0]).toEqual(first);
  for (const rules of [[{ type: "ip_addr", value: "::1" }], [here, here], [{ type: "moon", value: "1" }], 7])
    expect(await ask(emulator, "PUT", firewall, { rules })).toMatchObject({ status: 422 });
  expect((await ask(emulator, "PUT", firewall, { rules: [] })).status).toBe(204);
});

test("what the service does not offer, or cannot do, is refused with a reason, and nothing is made", async () => {
  const past = "2019-01-31T19:25:22Z";
  const future = new Date(emulator.clock.now().getTime() + 60_000).toISOString();
  const restore = (backup_created_at: string, database_name = "shop"): object => ({
    backup_restore: { database_name, backup_created_at },
  });
  const refused: readonly [object, number, string][] = [
    [{ name: "Shop!" }, 422, "name"],
    [{ name: "shop" }, 422, "name"],
    [{ version: "8" }, 422, "version"],
    [{ size: "db-s-9000vcpu" }, 422, "size"],
    [{ num_nodes: 2 }, 422, "size"],
    [{ region: "moon1" }, 422, "region"],
    [{ engine: "mysql" }, 422, "engine"],
    [restore(past), 422, "oldest"],
    [restore(future), 422, "future"],
    [restore("yesterday"), 422, "backup_created_at"],
    [restore(past, "nobody"), 404, "nobody"],
  ];
  for (const [what, status, reason] of refused) {
    const { body, ...said } = await create({ name: "other", ...what });
    expect(said.status).toBe(status);
    expect(body.message).toContain(reason);
    expect(body.id).toBe(status === 404 ? "not_found" : "unprocessable_entity");
  }
  emulator.rules.maxClusters = 1;
  expect(await create({ name: "other" })).toMatchObject({ status: 422, body: { message: /may have 1/ } });
  emulator.rules.quotaStatus = 412;
  expect(await create({ name: "other" })).toMatchObject({ status: 412, body: { id: "precondition_failed" } });
  emulator.rules.maxClusters = 10;
  expect((await ask(emulator, "GET", "/v2/databases")).body.databases).toHaveLength(1);
});

test("a wrong token is 401, a wrong path 404, a body that is no JSON 400", async () => {
  const stranger = { url: emulator.url, token: "dop_v1_wrong" };
  expect(await ask(stranger, "GET", "/v2/account")).toMatchObject({
    status: 401,
    body: { id: "unauthorized" },
  });
  for (const path of ["/v2/nothing", "/v2/databases/%E0%A4%A", `/v2/databases/${crypto.randomUUID()}/users`])
    expect(await ask(emulator, "GET", path)).toMatchObject({ status: 404, body: { id: "not_found" } });
  expect(await ask(emulator, "POST", "/v2/databases", "{")).toMatchObject({ status: 400 });
});

test("requests fail on demand: not carried out, or carried out with the answer lost; and they may be slow", async () => {
  const users = `/v2/databases/${id}/users`;
  emulator.faults.failNext({ method: "POST", path: users, status: 500, times: 2 });
  for (let time = 0; time < 2; time++)
    expect(await ask(emulator, "POST", users, { name: "u1" })).toMatchObject({
      status: 500,
      body: { id: "server_error" },
    });
  expect((await ask(emulator, "POST", users, { name: "u1" })).status).toBe(201);
  emulator.faults.failNext({ path: /users$/, status: "cut", carriedOut: true });
  await expect(ask(emulator, "POST", users, { name: "u2" })).rejects.toThrow("fetch failed");
  expect((await ask(emulator, "GET", `${users}/u2`)).status).toBe(200);
  emulator.faults.slow({ path: "/v2/account", ms: 60 });
  const started = performance.now();
  await ask(emulator, "GET", "/v2/account");
  expect(performance.now() - started).toBeGreaterThan(55);
  expect(emulator.requests.at(-1)).toMatchObject({ method: "GET", path: "/v2/account" });
  for (const name of ["u1", "u2"]) await ask(emulator, "DELETE", `${users}/${name}`);
});

test("an answer says how many requests are left; the one too many is 429", async () => {
  await using busy = await testEmulator({ rateLimit: 2 });
  const left: (string | null)[] = [];
  for (const status of [200, 200, 429]) {
    const { headers, ...said } = await ask(busy, "GET", "/v2/account");
    expect(said.status).toBe(status);
    expect(headers.get("ratelimit-limit")).toBe("2");
    expect(Number(headers.get("ratelimit-reset"))).toBeGreaterThan(Date.now() / 1000);
    left.push(headers.get("ratelimit-remaining"));
  }
  expect(left).toEqual(["1", "0", "0"]);
});

test("a request counts for its time, and then another one is let in", () => {
  const limit = new RateLimit(2, 60_000);
  const count = (second: number): boolean => limit.count(new Date(second * 1000)).exceeded;
  expect([0, 10, 20, 59, 61, 62, 71].map(count)).toEqual([false, false, true, true, false, true, false]);
});

test("429 on demand says when to come again", async () => {
  emulator.faults.failNext({ status: 429, resetAfter: 30_000 });
  const asked = Date.now();
  const { status, headers } = await ask(emulator, "GET", "/v2/account");
  expect([status, headers.get("ratelimit-remaining")]).toEqual([429, "0"]);
  const reset = 1000 * Number(headers.get("ratelimit-reset"));
  expect(reset).toBeGreaterThan(asked + 25_000);
  expect(reset).toBeLessThan(Date.now() + 35_000);
});

test("backups have the size of what is in them; they may be listed with another one, or be gone", async () => {
  const url = emulator.adminUrl("shop");
  await runSql(url, "create table big as select repeat('x', 1000) as a from generate_series(1, 5000)");
  await emulator.takeBackup("shop");
  const sizes = async (): Promise<number[]> =>
    (await ask(emulator, "GET", `/v2/databases/${id}/backups`)).body.backups.map(
      (one: { size_gigabytes: number }) => one.size_gigabytes,
    );
  const [small = 0, large = 0] = await sizes();
  expect(large - small).toBeGreaterThan(0.005);
  expect(large).toBeLessThan(0.1);
  emulator.setBackupSize("shop", 0.001);
  expect(await sizes()).toEqual([small, 0.001]);
  await emulator.dropBackups("shop");
  expect(await sizes()).toEqual([]);
  const none = await create({ name: "other", backup_restore: { database_name: "shop" } });
  expect(none).toMatchObject({ status: 422, body: { message: /no backups/ } });
});

async function create(request: object): Promise<Said> {
  return await ask(emulator, "POST", "/v2/databases", { ...NEW_CLUSTER, ...request });
}
