import { expect, test } from "vitest";
import { systemClock } from "../src/lib/clock.ts";
import { jsonOf, runCli } from "./support/cli.ts";
import { disturbedShop, type DisturbedShop, impatient } from "./support/disturbed-shop.ts";
import type { Fate, Passing } from "./support/http-proxy.ts";
import { freshBucket, objectStore, s3Environment, s3Url } from "./support/object-store.ts";
import { freshDatabase } from "./support/postgres.ts";

const SQL = `
  create table customers (id int primary key, name text not null);
  insert into customers select n, 'customer ' || n from generate_series(1, 2000) n;`;

const shop = async (fate: (passing: Passing) => Fate): Promise<DisturbedShop> =>
  await disturbedShop(SQL, fate);

test.each(["archive", "snapshot"])(
  "a network that goes away in the middle of a %s leaves the backups there are, and the next run goes on",
  async (kind) => {
    let from = Infinity;
    await using made = await shop(({ number }) => (number >= from ? { cutRequestAfter: 0 } : "pass"));
    const backup = ["backup", "--kind", kind];
    const first = await made.run("disturbed", backup);
    expect(first).toMatchObject({ code: 0 });
    const { id } = jsonOf(first);
    // About as many requests as the first took; what comes last is the removal of the mark and the release of the lease.
    const total = made.proxy.requests.length;
    for (const share of [0.3, 0.6, 0.75]) {
      from = made.proxy.requests.length + Math.round(total * share);
      const failed = await made.run("disturbed", backup, impatient());
      expect([1, 11]).toContain(failed.code);
      expect(failed.stderr).toMatch(/does not answer|could not be renewed/);
      expect(await made.listed()).toEqual([id]);
      await made.bury();
    }
    const again = await made.run("straight", backup);
    expect(again).toMatchObject({ code: 0 });
    expect(await made.listed()).toEqual([jsonOf(again)["id"], id]);
    expect(
      await made.run("straight", ["verify", made.live.name, "latest", "--level", "integrity"]),
    ).toMatchObject({
      code: 0,
    });
    expect((await made.objects()).filter((key) => /\.tmp$|unfinished$/.test(key))).toEqual([]);
  },
);

test("an endpoint that refuses requests now and then, and for a while, is no failure", async () => {
  let refused = 0;
  await using made = await shop(({ number }) => {
    const overloaded = (number > 20 && number < 26) || number % 9 === 0;
    if (overloaded) refused += 1;
    return overloaded ? { refuse: number % 2 === 0 ? 503 : 500 } : "pass";
  });
  expect(await made.run("disturbed", ["backup", "--kind", "snapshot"])).toMatchObject({ code: 0 });
  expect(
    await made.run("disturbed", ["verify", made.live.name, "latest", "--level", "integrity"]),
  ).toMatchObject({
    code: 0,
  });
  expect(refused).toBeGreaterThan(5);
});

test("a clock that is wrong by an hour is told, and the backup is taken", async () => {
  await using made = await shop(() => "pass");
  const clock = { ...systemClock, now: () => new Date(systemClock.now().getTime() + 3_600_000) };
  const result = await made.run("straight", ["backup"], clock);
  expect(result).toMatchObject({ code: 0 });
  expect(result.stderr).toMatch(/this machine's clock is (?:1 h|59 min).* ahead of the object store's/);
});

test("a missing bucket is told by every command, and is not taken for a place without backups", async () => {
  const store = await objectStore();
  const location = await freshBucket();
  await using live = await freshDatabase({ sql: SQL });
  const place = ["--url", live.url, "--repository", s3Url(store, "no-such-bucket/x")];
  for (const command of [
    ["backup"],
    ["list"],
    ["verify", live.name, "latest"],
    ["prune", live.name, "--keep", "last=1"],
    ["restore", live.name, "latest", "--new-database", "nowhere"],
  ]) {
    const result = await runCli([...command, ...place], { env: s3Environment(location) });
    expect(result, command[0]).toMatchObject({
      code: 10,
      stderr: expect.stringContaining("there is no bucket no-such-bucket"),
    });
  }
  expect(await runCli(["status", ...place], { env: s3Environment(location) })).toMatchObject({
    code: 4,
    stdout: expect.stringContaining("there is no bucket no-such-bucket"),
  });
  const looked = await runCli(["doctor", ...place], { env: s3Environment(location) });
  expect(looked.code).toBe(10);
  expect(looked.stdout).toContain("make the bucket");
});

test("a bucket that was emptied behind our back has no repository; the next backup, which calls it new, reads everything", async () => {
  await using made = await shop(() => "pass");
  const backup = ["backup", "--kind", "snapshot"];
  expect(await made.run("straight", backup)).toMatchObject({ code: 0 });
  await made.empty();
  expect(await made.run("straight", ["list"])).toMatchObject({ code: 10 });
  const again = await made.run("straight", [...backup, "--new-place"]);
  expect(again).toMatchObject({ code: 0 });
  expect(jsonOf(again)["parts"]).toMatchObject({ reused: 0 });
  expect(await made.run("straight", ["verify", made.live.name, "latest"])).toMatchObject({ code: 0 });
});
