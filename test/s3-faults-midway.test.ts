import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { ERRORS } from "../src/errors.ts";
import { leaseKey, leaseNumber } from "../src/repository/layout.ts";
import { LeaseFile } from "../src/repository/manifest.ts";
import { encodeJson } from "../src/repository/parse.ts";
import type { CliResult } from "./support/cli.ts";
import { jsonOf } from "./support/cli.ts";
import { disturbedShop, type DisturbedShop, impatient } from "./support/disturbed-shop.ts";
import type { Fate, Passing } from "./support/http-proxy.ts";
import { freshDatabase } from "./support/postgres.ts";
import { noAbort } from "./support/runtime.ts";

const signal = noAbort();
const SQL = `create table item as select n as id, md5(n::text) as word from generate_series(1, 3000) n`;
// Hexadecimal digits of chance become half as many bytes: more than is put with one request.
const LARGE_SQL = `create table item as
  select n as id, (select string_agg(md5(n || '-' || k), '') from generate_series(1, 1000) k) as word from generate_series(1, 1150) n`;
const CONTENTS = "select count(*)::int as rows, md5(string_agg(word, ',' order by id)) as words from item";

const errorOf = (result: CliResult): unknown =>
  (jsonOf(result)["error"] as { code?: unknown } | undefined)?.code;

/** The newest backup is this one, and gives back what the database holds now. */
async function expectRestorable(made: DisturbedShop, id: unknown): Promise<void> {
  const { live } = made;
  expect((await made.listed())[0]).toBe(id);
  await using target = await freshDatabase();
  const result = await made.run("straight", ["restore", live.name, String(id), "--to", target.url, "--yes"]);
  expect(result.code, result.stderr).toBe(0);
  expect(await target.query(CONTENTS)).toEqual(await live.query(CONTENTS));
}

/** Another host takes the lease, does what it has to do, and gives it back. */
async function takeOver({ storage, live }: DisturbedShop): Promise<void> {
  const keys = await storage.keys(`${live.name}/`, "here", signal);
  const highest = Math.max(...keys.map((key) => leaseNumber(key) ?? 0));
  const ours = LeaseFile.parse(
    JSON.parse((await storage.get(leaseKey(live.name, highest), signal)).toString()),
  );
  const theirs: LeaseFile = {
    ...ours,
    token: randomUUID(),
    holder: { ...ours.holder, host: "another" },
    released: true,
  };
  await storage.put(leaseKey(live.name, highest + 1), encodeJson(theirs), signal);
}

test.each([
  ["archive", "its bytes", /\.sql\.gz/],
  ["archive", "its index", /\/index$/],
  ["snapshot", "a part", /\/parts\//],
  ["snapshot", "its content", /\/content$/],
] as const)(
  "%s: a lease that another host takes while %s is on the way ends the backup, and the next one succeeds",
  async (kind, _what, path) => {
    let armed = false;
    await using made = await disturbedShop(SQL, (passing): Fate => {
      if (!armed || passing.method !== "PUT" || !path.test(keyOf(passing))) return "pass";
      armed = false;
      return { after: takeOver(made) };
    });
    const backup = ["backup", "--kind", kind];
    const first = jsonOf(await made.run("disturbed", backup))["id"];
    await made.live.query("update item set word = 'changed' where id = 7");
    armed = true;
    const lost = await made.run("disturbed", backup);
    expect(armed).toBe(false);
    expect(lost.code, lost.stderr).toBe(11);
    expect(errorOf(lost)).toBe("lease_lost");
    expect(lost.stderr).toContain("another writer took over");
    expect(await made.listed()).toEqual([first]);
    const next = await made.run("disturbed", backup);
    expect(next.code, next.stderr).toBe(0);
    expect(await made.listed()).toHaveLength(2);
    await expectRestorable(made, jsonOf(next)["id"]);
  },
);

const CUT: Fate = { cutRequestAfter: 1000 };

/** The object that a request is about. */
const keyOf = ({ path }: Passing): string => decodeURIComponent(path.split("?")[0] ?? "");
/** Whether a request brings bytes of a snapshot's part, or a piece of an upload in pieces. */
const bringsPart = (passing: Passing): boolean =>
  passing.method === "PUT" && keyOf(passing).includes("/parts/");
const bringsPiece = (passing: Passing): boolean =>
  passing.method === "PUT" && passing.path.includes("partNumber=");

test.each([
  // Parts are sent by threads, which wait in earnest: for good fails only what is no disturbance.
  [
    "a snapshot's parts",
    "snapshot",
    SQL,
    bringsPart,
    { refuse: 403, code: "AccessDenied" },
    "repository_unusable",
  ],
  ["the pieces of a large archive", "archive", LARGE_SQL, bringsPiece, CUT, "repository_unreachable"],
] as const)(
  "%s: an upload that fails for good ends the backup with nothing there; one that is cut now and then goes on",
  async (_what, kind, sql, brings, fate, code) => {
    let forGood = true;
    let cuts = 0;
    const seen = new Set<string>();
    await using made = await disturbedShop(sql, (passing): Fate => {
      const completes = passing.method === "POST" && passing.path.includes("uploadId=");
      if (!brings(passing) && !completes) return "pass";
      if (forGood) return fate;
      if (seen.has(passing.path)) return "pass";
      seen.add(passing.path);
      cuts += 1;
      // Of what completes an upload the server hears, and only its answer is lost.
      return completes ? { cutAnswerAfter: -1 } : CUT;
    });
    const backup = ["backup", "--kind", kind];
    const failed = await made.run("disturbed", backup, impatient());
    expect(errorOf(failed), failed.stderr).toBe(code);
    expect(failed.code).toBe(ERRORS[code].exit);
    expect(await made.listed()).toEqual([]);
    expect((await made.objects()).filter((key) => /\/(?:parts|backups)\/|\.sql/.test(key))).toEqual([]);
    expect(await made.storage.strays("", signal)).toBe(0);
    forGood = false;
    const taken = await made.run("disturbed", backup, impatient());
    expect(taken.code, taken.stderr).toBe(0);
    expect(cuts).toBeGreaterThan(kind === "archive" ? 2 : 0);
    await expectRestorable(made, jsonOf(taken)["id"]);
  },
  180_000,
);
