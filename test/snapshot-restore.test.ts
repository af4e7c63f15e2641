import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { backedUp, type BackedUp, databasesLike, expectedDatabase, halfMade } from "./support/backed-up.ts";
import { type CliOptions, type CliResult, jsonOf, runCli } from "./support/cli.ts";
import { contentsOf } from "./support/database-contents.ts";
import { INTRICATE_SQL } from "./support/intricate-database.ts";
import { ODD_DATABASE_SQL } from "./support/odd-database.ts";
import { freshDatabase, uniqueName } from "./support/postgres.ts";
import { noAbort } from "./support/runtime.ts";
import { expectDone } from "./support/expect-done.ts";

const signal = noAbort();
const run = promisify(execFile);
const SNAPSHOT = ["--kind", "snapshot", "--jobs", "2"];

function expectFailure(result: CliResult, code: number, text: string | RegExp): void {
  expect(result.code, result.stderr).toBe(code);
  expect(result.stderr).toMatch(text);
}

/** All definitions, as `pg_dump` words them. */
async function definitionsOf(url: string): Promise<string> {
  const { stdout } = await run("pg_dump", ["--schema-only", url], { maxBuffer: 1 << 28 });
  return stdout.replaceAll(/^\\(un)?restrict .*$/gm, "");
}

/** The key of the snapshot's largest part. */
async function largestPart({ storage, name }: BackedUp): Promise<string> {
  const parts = await Array.fromAsync(storage.list(`${name}/parts/`, "all", signal));
  const [first] = parts.toSorted((one, other) => other.size - one.size);
  if (first === undefined) throw new Error("the snapshot has no parts");
  return first.key;
}

/** Turns one bit in the middle of an object. */
async function flipBit({ storage }: BackedUp, key: string): Promise<void> {
  const bytes = await storage.get(key, signal);
  bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
  await storage.put(key, bytes, signal);
}

/** Keeps what was done, to see that nothing was made. */
function watching(): CliOptions & { readonly made: () => string[] } {
  const operations: string[] = [];
  return {
    observer: (_, operation) => void operations.push(operation),
    made: () => operations.filter((operation) => /CREATE|COPY|BEGIN/.test(operation)),
  };
}

const LONG_VALUES_SQL = `
create table public.long_values (id int primary key, long text, set_by_somebody text compression pglz);
insert into public.long_values select g, repeat(md5(g::text), 300), repeat(md5(g::text), 300) from generate_series(1, 2000) g;`;

/** A table that lies in several parts, and others. */
const LARGER_SQL = `
create table public.first (id int primary key, pad text);
insert into public.first select g, repeat(md5(g::text), 30) from generate_series(1, 10500) g;
create table public.second as select g as id from generate_series(1, 1000) g;`;

describe("a snapshot is restored whole", () => {
  test("into a new database, with everything that was in it", async () => {
    await using shop = await backedUp({ sql: ODD_DATABASE_SQL, backup: SNAPSHOT });
    const before = await contentsOf(shop.live.url);
    await using restored = expectedDatabase(uniqueName());
    expectDone(await shop.restore(["latest", "--new-database", restored.name, "--jobs", "3"]));
    expect(await contentsOf(restored.url)).toEqual(before);
  });

  test("the same by one connection as by several, definitions to the letter", async () => {
    await using shop = await backedUp({ sql: INTRICATE_SQL, backup: SNAPSHOT });
    const definitions = await definitionsOf(shop.live.url);
    const contents = await contentsOf(shop.live.url);
    for (const jobs of ["1", "4"]) {
      await using restored = expectedDatabase(uniqueName());
      expectDone(await shop.restore(["latest", "--new-database", restored.name, "--jobs", jobs]));
      expect(await definitionsOf(restored.url)).toBe(definitions);
      expect(await contentsOf(restored.url)).toEqual(contents);
    }
  });

  test("with long values compressed the fast way, unless somebody said how", async () => {
    await using shop = await backedUp({ sql: LONG_VALUES_SQL, backup: SNAPSHOT });
    const contents = await contentsOf(shop.live.url);
    const said = "set_by_somebody";
    for (const [options, expected] of [
      ["", "lz4"],
      ["?options=-c%20default_toast_compression%3Dpglz", "pglz"],
    ] as const) {
      await using restored = expectedDatabase(uniqueName());
      const url = `${shop.live.url}${options}`;
      const place = ["--url", url, "--repository", shop.repository, "--yes"];
      expectDone(await runCli(["restore", shop.name, "latest", "--new-database", restored.name, ...place]));
      expect(
        await restored.query(
          `select distinct pg_column_compression(long) as long, pg_column_compression(${said}) as said from long_values`,
        ),
      ).toEqual([{ long: expected, said: "pglz" }]);
      expect(await contentsOf(restored.url)).toEqual(contents);
    }
  });

  test("with statistics of every table, partitioned ones and filled views too", async () => {
    await using shop = await backedUp({ sql: INTRICATE_SQL, backup: SNAPSHOT });
    await using restored = expectedDatabase(uniqueName());
    expectDone(await shop.restore(["latest", "--new-database", restored.name]));
    const known = await restored.query<{ name: string }>(
      "select distinct tablename as name from pg_stats where schemaname = 'a' order by 1",
    );
    expect(known.map(({ name }) => name)).toEqual(
      expect.arrayContaining(["customer", "event", "event_2023", "by_mood", "parent", "totals"]),
    );
  });

  test("a large table by several connections at once", async () => {
    await using shop = await backedUp({ sql: LARGER_SQL, backup: SNAPSHOT });
    await using restored = expectedDatabase(uniqueName());
    const operations: string[] = [];
    expectDone(
      await shop.restore(["latest", "--new-database", restored.name, "--jobs", "4"], {
        observer: (phase, operation) => void operations.push(`${phase} ${operation}`),
      }),
    );
    expect(await contentsOf(restored.url)).toEqual(await contentsOf(shop.live.url));
    expect(operations.filter((operation) => operation === "before sql COPY").length).toBeGreaterThan(2);
  });

  test("says what would be done with --dry-run, and does nothing", async () => {
    await using shop = await backedUp({ sql: LARGER_SQL, backup: SNAPSHOT });
    const watched = watching();
    const name = uniqueName();
    const result = await shop.restore(["latest", "--new-database", name, "--dry-run"], watched);
    expectDone(result);
    expect(result.stdout).toContain(
      "11,500 rows in 2 tables, every part is there, what is in them is checked while",
    );
    expect(watched.made()).toEqual([]);
    expect(await databasesLike(name)).toEqual([]);
  });

  test("holds a read marker meanwhile", async () => {
    await using shop = await backedUp({ sql: LARGER_SQL, backup: SNAPSHOT });
    await using restored = expectedDatabase(uniqueName());
    const operations: string[] = [];
    expectDone(
      await shop.restore(["latest", "--new-database", restored.name], {
        observer: (phase, operation) => void operations.push(`${phase} ${operation}`),
      }),
    );
    const marked = operations.findIndex((operation) => /after storage put .*\/readers\//.test(operation));
    const taken = operations.findIndex((operation) => /before storage delete .*\/readers\//.test(operation));
    const [first, last] = [operations.indexOf("before sql COPY"), operations.lastIndexOf("after sql COPY")];
    expect(marked).toBeGreaterThan(-1);
    expect([marked < first, last < taken]).toEqual([true, true]);
  });
});

describe("a snapshot is restored with --to", () => {
  test("into a database that is there and empty, and into one that is not there", async () => {
    await using shop = await backedUp({ sql: INTRICATE_SQL, backup: SNAPSHOT });
    const contents = await contentsOf(shop.live.url);
    await using empty = await freshDatabase();
    await using missing = expectedDatabase(uniqueName());
    for (const { url } of [empty, missing]) {
      expectDone(await shop.restore(["latest", "--to", url]));
      expect(await contentsOf(url)).toEqual(contents);
    }
  });

  test("a failure in the middle leaves the database as it was", async () => {
    await using shop = await backedUp({ sql: LARGER_SQL, backup: SNAPSHOT });
    await flipBit(shop, await largestPart(shop));
    await using target = await freshDatabase();
    const before = await definitionsOf(target.url);
    expectFailure(await shop.restore(["latest", "--to", target.url]), 13, /load "public"."first": /);
    expect(await definitionsOf(target.url)).toBe(before);
  });
});

describe("a snapshot is swapped in", () => {
  test("whole, and out again", async () => {
    await using shop = await backedUp({ sql: INTRICATE_SQL, backup: SNAPSHOT });
    const before = await contentsOf(shop.live.url);
    await shop.live.query(
      "alter table a.orders disable trigger all; delete from a.booking; drop table a.nothing",
    );
    const spoiled = await contentsOf(shop.live.url);
    const result = await shop.restore(["latest", "--swap", "--yes", "--json"]);
    expectDone(result);
    await using _replaced = expectedDatabase(String(jsonOf(result)["before"]));
    expect(await contentsOf(shop.live.url)).toEqual(before);
    const undone = await shop.restore(["--undo", "--yes", "--json"]);
    expectDone(undone);
    await using _undone = expectedDatabase(String(jsonOf(undone)["undone"]));
    expect(await contentsOf(shop.live.url)).toEqual(spoiled);
  });

  test("one of some schemas, with what the live database has beside them", async () => {
    await using shop = await backedUp({
      sql: `${INTRICATE_SQL} create table public.note as select 1 as n;`,
      backup: [...SNAPSHOT, "--schema", "a"],
    });
    const before = await contentsOf(shop.live.url, ["a"]);
    await shop.live.query("delete from a.booking; update public.note set n = 2");
    const result = await shop.restore(["latest", "--swap", "--yes", "--json"]);
    expectDone(result);
    await using _replaced = expectedDatabase(String(jsonOf(result)["before"]));
    expect(await contentsOf(shop.live.url, ["a"])).toEqual(before);
    expect(await shop.live.query("select n from public.note")).toEqual([{ n: 2 }]);
  });
});

describe("a damaged snapshot", () => {
  test("that lacks a part is refused before anything is made", async () => {
    await using shop = await backedUp({ sql: LARGER_SQL, backup: SNAPSHOT });
    await shop.storage.delete(await largestPart(shop), signal);
    const watched = watching();
    const name = uniqueName();
    const result = await shop.restore(["latest", "--new-database", name], watched);
    expectFailure(result, 13, /public\.first: part [0-9a-f-]+ is not there/);
    expect(watched.made()).toEqual([]);
  });

  test("that has a part too short is refused before anything is made", async () => {
    await using shop = await backedUp({ sql: LARGER_SQL, backup: SNAPSHOT });
    const part = await largestPart(shop);
    await shop.storage.put(part, (await shop.storage.get(part, signal)).subarray(1), signal);
    const watched = watching();
    const result = await shop.restore(["latest", "--new-database", uniqueName()], watched);
    expectFailure(result, 13, /public\.first: part [0-9a-f-]+ has \d+ bytes, it should have \d+/);
    expect(watched.made()).toEqual([]);
  });

  test("whose part list is damaged is refused before anything is made", async () => {
    await using shop = await backedUp({ sql: LARGER_SQL, backup: SNAPSHOT });
    for (const key of await shop.storage.keys(`${shop.name}/tables/`, "all", signal)) {
      await shop.storage.put(key, Buffer.from("nonsense"), signal);
    }
    const watched = watching();
    expectFailure(await shop.restore(["--new-database", uniqueName()], watched), 13, /part list/);
    expect(watched.made()).toEqual([]);
  });

  test.each(["1", "4"])(
    "that has a flipped byte is refused while it is loaded by %s, and nothing stays",
    async (jobs) => {
      await using shop = await backedUp({ sql: LARGER_SQL, backup: SNAPSHOT });
      await flipBit(shop, await largestPart(shop));
      const name = uniqueName();
      const result = await shop.restore(["latest", "--new-database", name, "--jobs", jobs]);
      expectFailure(result, 13, /load "public"\."first": .*part [0-9a-f]{64}-[0-9a-f]{16}/);
      expect(await databasesLike(`${name}%`)).toEqual([]);
      expect(await halfMade()).toEqual([]);
    },
  );
});
