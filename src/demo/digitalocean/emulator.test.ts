import { afterAll, beforeAll, expect, test } from "vitest";
import { ask, NEW_CLUSTER, type Said, testEmulator } from "../../../test/support/emulator.ts";
import { runSql } from "../../../test/support/postgres.ts";
import type { Emulator } from "./emulator.ts";

// One service for all: each test forks `shop`, which has a row for each moment that counts.

let emulator: Emulator;
/** By the service's time: after the first row, after the second, and after the third. */
const moments: string[] = [];
let shop: string;

beforeAll(async () => {
  emulator = await testEmulator({ settings: { track_commit_timestamp: "on" } });
  shop = (await create("shop")).body.database.id;
  await emulator.settled("shop");
  // Of forks, those have one that need it.
  emulator.rules.firstBackup = false;
  const url = (await ask(emulator, "GET", `/v2/databases/${shop}`)).body.database.connection.uri;
  await runSql(url, "create table orders (id int primary key)");
  await emulator.takeBackup("shop");
  for (const id of [1, 2, 3]) {
    await runSql(url, `insert into orders values (${id})`);
    moments.push(await justAfter());
  }
});

afterAll(async () => {
  await emulator[Symbol.asyncDispose]();
});

test("a restore to a moment between two commits has the rows of before, and only those", async () => {
  await using fork = await forked({ backup_created_at: moments[0] });
  expect(await orders(fork.url)).toEqual([1]);
  // It takes writes, and is a server of its own.
  await runSql(fork.url, "insert into orders values (9)");
  expect(await orders(await urlOf(shop))).toEqual([1, 2, 3]);
});

test("in a stream of commits, while a backup is taken, a restore has exactly those up to its moment", async () => {
  await using source = await forked({ backup_created_at: moments[0] });
  await runSql(source.url, "create table stream (id serial)");
  let stop = false;
  const writing = (async () => {
    while (!stop)
      await runSql(
        source.url,
        "insert into stream default values; commit; insert into stream default values",
      );
  })();
  await emulator.takeBackup(source.name);
  await untilRows(source.url, 5);
  const moment = emulator.clock.now();
  await untilRows(source.url, 5);
  stop = true;
  await writing;
  await using fork = await forked({ database_name: source.name, backup_created_at: moment.toISOString() });
  const committed = await runSql(
    emulator.superuserUrl(source.name, "defaultdb"),
    "select id from stream where pg_xact_commit_timestamp(xmin) <= to_timestamp($1) order by id",
    [(moment.getTime() - aheadOfMachine()) / 1000],
  );
  expect(committed.length).toBeGreaterThan(4);
  expect(await runSql(fork.url, "select id from stream order by id")).toEqual(committed);
});

test("a restore from a backup has what was there when it was taken; without a time it is the newest", async () => {
  const { body } = await ask(emulator, "GET", `/v2/databases/${shop}/backups`);
  const times: string[] = body.backups.map((one: { created_at: string }) => one.created_at);
  expect(times).toHaveLength(2);
  expect(body.backups[0]).toMatchObject({ size_gigabytes: expect.any(Number), incremental: false });
  expect(body.backups[0].size_gigabytes).toBeGreaterThan(0.01);
  await using fork = await forked({});
  expect(await orders(fork.url)).toEqual([]);
  await using older = await forked({ backup_created_at: times[0] });
  expect(await runSql(older.url, "select to_regclass('orders')::text as name")).toEqual([{ name: null }]);
});

test("a fork can be forked, with what was written into it, and deleted meanwhile: it stays until it has been read", async () => {
  await using fork = await forked({ backup_created_at: moments[1] });
  await emulator.takeBackup(fork.name);
  await runSql(fork.url, "insert into orders values (20)");
  const backup_created_at = await justAfter();
  await runSql(fork.url, "insert into orders values (30)");
  const backup_restore = { database_name: fork.name, backup_created_at };
  const { database } = (await create("heir", { backup_restore })).body;
  expect((await ask(emulator, "DELETE", `/v2/databases/${fork.id}`)).status).toBe(204);
  expect((await ask(emulator, "GET", `/v2/databases/${fork.id}`)).status).toBe(404);
  await emulator.settled("heir");
  expect(await orders(await urlOf(database.id))).toEqual([1, 2, 20]);
  expect((await ask(emulator, "DELETE", `/v2/databases/${database.id}`)).status).toBe(204);
});

test("where the contract is silent: a moment that is no backup's is refused, or the backup before it is taken", async () => {
  const backup_restore = { database_name: "shop", backup_created_at: moments[0] };
  emulator.rules.arbitrarySeconds = "refuse";
  try {
    const refused = await create("refused", { backup_restore });
    expect(refused).toMatchObject({ status: 422, body: { id: "unprocessable_entity" } });
    emulator.rules.arbitrarySeconds = "nearest";
    await using fork = await forked(backup_restore);
    expect(await orders(fork.url)).toEqual([]);
  } finally {
    emulator.rules.arbitrarySeconds = "accept";
  }
});

test("what a stopped server had committed is restored from its disk; of one that is wrecked, what was archived", async () => {
  await using lost = await forked({ backup_created_at: moments[0] });
  await emulator.takeBackup(lost.name);
  // So much to replay that a start takes its time.
  await runSql(lost.url, "create table history as select id from generate_series(1, 300000) as id");
  await runSql(lost.url, "insert into orders values (50)");
  const moment = await justAfter();
  await emulator.stopServer(lost.name);
  await expect(orders(lost.url)).rejects.toMatchObject({ code: "ECONNREFUSED" });
  {
    await using fork = await forked({ database_name: lost.name, backup_created_at: moment });
    expect(await orders(fork.url)).toEqual([1, 50]);
  }
  await emulator.startServer(lost.name);
  expect(await orders(lost.url)).toEqual([1, 50]);
  await emulator.wreck(lost.name);
  await using fork = await forked({ database_name: lost.name, backup_created_at: moment });
  expect(await orders(fork.url)).toEqual([1]);
});

test("a fork has the users of its source with their passwords, but for the administrator's; or they are forgotten", async () => {
  const { body } = await ask(emulator, "POST", `/v2/databases/${shop}/users`, { name: "app" });
  const { password } = body.user;
  const moment = await justAfter();
  for (const forkUsers of ["keep", "forget"] as const) {
    emulator.rules.forkUsers = forkUsers;
    await using fork = await forked({ backup_created_at: moment });
    const listed = await ask(emulator, "GET", `/v2/databases/${fork.id}/users`);
    const names = listed.body.users.map(({ name }: { name: string }) => name);
    expect(names).toEqual(forkUsers === "keep" ? ["doadmin", "app"] : ["doadmin"]);
    const asApp = new URL(fork.url);
    asApp.username = "app";
    asApp.password = password;
    const login = runSql(asApp.href, "select current_user::text as name");
    if (forkUsers === "keep") expect(await login).toEqual([{ name: "app" }]);
    else {
      await expect(login).rejects.toMatchObject({ code: "28P01" });
      // Made anew, it owns what it owned.
      const made = await ask(emulator, "POST", `/v2/databases/${fork.id}/users`, { name: "app" });
      asApp.password = made.body.user.password;
      expect(await runSql(asApp.href, "select current_user::text as name")).toEqual([{ name: "app" }]);
    }
    const asAdmin = new URL(await urlOf(shop));
    asAdmin.port = new URL(fork.url).port;
    await expect(runSql(asAdmin.href, "select")).rejects.toMatchObject({ code: "28P01" });
  }
  emulator.rules.forkUsers = "keep";
});

test("a fork may refuse connections, never come online, or end in an error", async () => {
  for (const mishap of ["refuses-connections", "never-online", "error"] as const) {
    emulator.nextCluster(mishap);
    const id = (await begin(++forks, {})).body.database.id;
    await emulator.settled(`fork-${forks}`);
    const { database } = (await ask(emulator, "GET", `/v2/databases/${id}`)).body;
    const expected = { "refuses-connections": "online", "never-online": "creating", error: "error" };
    expect(database.status).toBe(expected[mishap]);
    if (mishap === "refuses-connections")
      await expect(runSql(database.connection.uri, "select")).rejects.toMatchObject({ code: "ECONNREFUSED" });
    expect((await ask(emulator, "DELETE", `/v2/databases/${id}`)).status).toBe(204);
  }
});

test("days pass: a backup each day that the server runs, and those older than seven days are gone", async () => {
  await using fork = await forked({ backup_created_at: moments[2] });
  await emulator.takeBackup(fork.name);
  const list = async (): Promise<string[]> =>
    (await ask(emulator, "GET", `/v2/databases/${fork.id}/backups`)).body.backups.map(
      (one: { created_at: string }) => one.created_at,
    );
  emulator.setDailyBackups("shop", false);
  const [first = ""] = await list();
  await emulator.passTime(2 * DAY);
  const three = await list();
  expect(three).toHaveLength(3);
  const apart = Date.parse(three[2] ?? "") - Date.parse(three[1] ?? "");
  expect(Math.abs(apart - DAY)).toBeLessThan(60_000);
  emulator.setDailyBackups(fork.name, false);
  await emulator.passTime(5 * DAY + 60_000);
  expect(await list()).toEqual(three.slice(1));
  const backup_restore = { database_name: fork.name, backup_created_at: first };
  expect(await create("late", { backup_restore })).toMatchObject({ status: 422 });
  // A moment of a day that was skipped.
  const between = new Date(Date.parse(three[1] ?? "") + DAY / 2).toISOString();
  await using second = await forked({ database_name: fork.name, backup_created_at: between });
  expect(await orders(second.url)).toEqual([1, 2, 3]);
});

const DAY = 24 * 60 * 60 * 1000;

/** The service's time once it is past all that is committed, and before anything else is. */
async function justAfter(): Promise<string> {
  await emulator.passTime(1000);
  return emulator.clock.now().toISOString();
}

async function create(name: string, more: object = {}): Promise<Said> {
  return await ask(emulator, "POST", "/v2/databases", { ...NEW_CLUSTER, name, ...more });
}

async function forked(
  restore: object,
): Promise<AsyncDisposable & { readonly id: string; readonly name: string; readonly url: string }> {
  const made = await begin(++forks, restore);
  const { id, name } = made.body.database;
  await emulator.settled(name);
  return {
    id,
    name,
    url: await urlOf(id),
    [Symbol.asyncDispose]: async () => {
      await ask(emulator, "DELETE", `/v2/databases/${id}`);
    },
  };
}
let forks = 0;

async function begin(number: number, restore: object): Promise<Said> {
  const backup_restore = { database_name: "shop", ...restore };
  const made = await create(`fork-${number}`, { backup_restore });
  expect(made.body).toMatchObject({ database: { status: "creating" } });
  return made;
}

async function urlOf(id: string): Promise<string> {
  return (await ask(emulator, "GET", `/v2/databases/${id}`)).body.database.connection.uri;
}

/** By how much the service is ahead of the machine, by whose time PostgreSQL stamps commits. */
function aheadOfMachine(): number {
  for (;;) {
    const before = Date.now();
    const service = emulator.clock.now().getTime();
    // Within one millisecond, or it would be one too much.
    if (Date.now() === before) return service - before;
  }
}

async function untilRows(url: string, count: number): Promise<void> {
  const [before] = await runSql<{ rows: number }>(url, "select count(*)::int as rows from stream");
  const wanted = (before?.rows ?? 0) + count;
  await expect
    .poll(async () => await runSql(url, `select from stream having count(*) >= ${wanted}`), {
      timeout: 20_000,
    })
    .toHaveLength(1);
}

async function orders(url: string): Promise<number[]> {
  return (await runSql<{ id: number }>(url, "select id from orders order by id")).map(({ id }) => id);
}
