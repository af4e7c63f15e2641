import { readdir } from "node:fs/promises";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { Cluster } from "../../src/postgres/cluster.ts";
import { backedUp, type BackedUp, databasesLike, expectedDatabase } from "../support/backed-up.ts";
import { freshCluster, runSql, temporaryFolder, uniqueName } from "../support/postgres.ts";
import { killAtEveryMoment } from "./harness.ts";
import { type Moment, momentsOfChange } from "./moments.ts";

// Two processes keep two cores busy; a third fills the gaps while one waits for the server.
const LANES = 3;
const LONGEST_MS = 240_000;

let cluster: Cluster;
// Of our own: what killed runs leave is then certainly theirs, and other tests' restores do not tidy it up.
beforeAll(async () => {
  cluster = await freshCluster({ settings: { autovacuum: "off", shared_buffers: "16MB" } });
});
afterAll(async () => await cluster[Symbol.asyncDispose]());
// A clean run must have nothing to tidy up.
beforeEach(async () => {
  for (const name of await databasesLike("handled%", cluster.url())) {
    await expectedDatabase(name, cluster.url())[Symbol.asyncDispose]();
  }
});

const SQL = `
create schema data; create table data.item (id int primary key, state text);
insert into data.item values (1, 'backed up'), (2, 'backed up');
create table public.note (body text);`;
const NEW = [
  { id: 1, state: "backed up" },
  { id: 2, state: "backed up" },
];
const ACCIDENT = "update data.item set state = 'spoiled' where id = 1; delete from data.item where id = 2";
const OLD = [{ id: 1, state: "spoiled" }];

interface Lane {
  readonly shop: BackedUp;
  /** Of a restore into a new database. */
  readonly target: string;
  /** Rows outside the backup's schema; one more each time. */
  notes: number;
}

async function makeLanes(owned: AsyncDisposableStack): Promise<Lane[]> {
  const make = async (): Promise<Lane> => {
    const name = uniqueName("crash");
    const server = cluster.url();
    owned.defer(async () => {
      for (const other of await databasesLike(`${name}%`, server)) {
        await expectedDatabase(other, server)[Symbol.asyncDispose]();
      }
    });
    const shop = owned.use(
      await backedUp({ name, as: "data", sql: SQL, cluster: server, backup: ["--schema", "data"] }),
    );
    return { shop, target: `${name}_new`, notes: 0 };
  };
  return await Promise.all(Array.from({ length: LANES }, make));
}

const changes = (): ((moment: Moment) => boolean) =>
  momentsOfChange(
    /^(child (psql|pg_dump)|storage (put|delete)|sql (CREATE|COMMENT|ALTER|DROP|LOCK|COMMIT|ANALYZE))/,
  );

// Up to there a run tidies up what the one before left, and so does more or less.
const LANDMARKS = ["sql CREATE"];

const itemsIn = async (url: string): Promise<unknown> =>
  await runSql(url, "select * from data.item order by id");

async function notesIn(url: string): Promise<unknown> {
  return await runSql(url, "select count(*)::int as rows from public.note");
}

/** What belongs to the lane on the server, besides the live database. */
async function othersOf({ shop }: Lane): Promise<string[]> {
  return (await databasesLike(`${shop.live.name}\\_%`, cluster.url())).toSorted();
}

/** Each lane's last run may have left one, and a swap or restore of all lanes' makes one. */
async function expectFewLeft(): Promise<void> {
  expect((await databasesLike("handled%", cluster.url())).length).toBeLessThanOrEqual(LANES);
}

async function dropOthers(lane: Lane): Promise<void> {
  for (const name of await othersOf(lane)) await expectedDatabase(name, cluster.url())[Symbol.asyncDispose]();
}

async function expectCleanRun(
  lane: Lane,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<void> {
  const result = await lane.shop.restore(args, { env });
  expect(result.code, result.stderr).toBe(0);
}

function argsOf({ shop }: Lane, args: readonly string[]): string[] {
  return ["restore", shop.name, ...args, "--url", shop.live.url, "--repository", shop.repository];
}

test("a restore into a new database that is killed at any moment makes all of it or none", {
  timeout: LONGEST_MS,
}, async () => {
  await using owned = new AsyncDisposableStack();
  const lanes = await makeLanes(owned);
  for (const { shop } of lanes) await shop.live.query(ACCIDENT);
  const outcomes = new Set<string>();
  const tried = await killAtEveryMoment<Lane>({
    lanes,
    args: (lane) => argsOf(lane, ["latest", "--new-database", lane.target]),
    landmarks: LANDMARKS,
    only: changes(),
    timeStandsStill: false,
    inspect: async (lane, moment, all) => {
      expect(await itemsIn(lane.shop.live.url)).toEqual(OLD);
      const others = await othersOf(lane);
      if (others.length > 0) {
        expect(others).toEqual([lane.target]);
        expect(await itemsIn(expectedDatabase(lane.target, cluster.url()).url)).toEqual(NEW);
      }
      outcomes.add(others.length === 0 ? "none" : "all");
      // The last transaction of all is the one that gives the name.
      const named = all.findLastIndex((one) => one.startsWith("before sql COMMIT"));
      if (all.indexOf(moment) < named) expect(others).toEqual([]);
      if (all.indexOf(moment) > named) expect(others).toEqual([lane.target]);
      await expectFewLeft();
    },
    recover: dropOthers,
  });
  expect(outcomes).toEqual(new Set(["none", "all"]));
  for (const kind of ["storage ", "sql ", "child "]) {
    expect(tried.some((moment) => moment.includes(kind))).toBe(true);
  }
  for (const lane of lanes) await expectCleanRun(lane, ["latest", "--new-database", lane.target]);
  expect(await databasesLike("handled%", cluster.url())).toEqual([]);
});

test("a swap that is killed at any moment leaves the old rows or the new, and no write outside is lost", {
  timeout: LONGEST_MS,
}, async () => {
  await using owned = new AsyncDisposableStack();
  const lanes = await makeLanes(owned);
  const env = { TMPDIR: owned.use(await temporaryFolder()).path };
  const begin = async (lane: Lane): Promise<void> => {
    await dropOthers(lane);
    await lane.shop.live.query(`${ACCIDENT}; insert into public.note values ('another')`);
    lane.notes += 1;
  };
  for (const lane of lanes) await begin(lane);
  const outcomes = new Set<string>();
  const tried = await killAtEveryMoment<Lane>({
    lanes,
    args: (lane) => argsOf(lane, ["latest", "--swap", "--yes"]),
    landmarks: LANDMARKS,
    only: changes(),
    timeStandsStill: false,
    env,
    inspect: async (lane, moment, all) => {
      const { live } = lane.shop;
      const items = await itemsIn(live.url);
      const others = await othersOf(lane);
      expect([OLD, NEW]).toContainEqual(items);
      const swapped = others.length > 0;
      expect(items).toEqual(swapped ? NEW : OLD);
      for (const name of [live.name, ...others]) {
        expect(await notesIn(expectedDatabase(name, cluster.url()).url)).toEqual([{ rows: lane.notes }]);
      }
      if (swapped) {
        expect(others).toEqual([expect.stringContaining("_before_")]);
        expect(await itemsIn(expectedDatabase(others[0] ?? "", cluster.url()).url)).toEqual(OLD);
      }
      outcomes.add(swapped ? "new" : "old");
      const exchanged = all.findLastIndex((one) => one.startsWith("before sql COMMIT"));
      if (all.indexOf(moment) < exchanged) expect(items).toEqual(OLD);
      if (all.indexOf(moment) > exchanged) expect(items).toEqual(NEW);
      // It can be written to as before.
      await live.query("insert into public.note values ('after the kill')");
      lane.notes += 1;
      await expectFewLeft();
    },
    recover: begin,
  });
  expect(outcomes).toEqual(new Set(["old", "new"]));
  expect(tried.some((moment) => moment.includes("sql LOCK"))).toBe(true);
  for (const lane of lanes) {
    await expectCleanRun(lane, ["latest", "--swap", "--yes"], env);
    expect(await itemsIn(lane.shop.live.url)).toEqual(NEW);
    expect(await notesIn(lane.shop.live.url)).toEqual([{ rows: lane.notes }]);
    expect(await othersOf(lane)).toHaveLength(1);
  }
  expect(await databasesLike("handled%", cluster.url())).toEqual([]);
  // What they carried over lay in files meanwhile.
  expect(await readdir(env.TMPDIR)).toEqual([]);
});

test("an undo that is killed at any moment leaves the one database or the other in place", {
  timeout: LONGEST_MS,
}, async () => {
  await using owned = new AsyncDisposableStack();
  const lanes = await makeLanes(owned);
  const swap = async (lane: Lane): Promise<void> => {
    if ((await othersOf(lane)).some((name) => name.includes("_before_"))) return;
    await dropOthers(lane);
    await lane.shop.live.query(ACCIDENT);
    await expectCleanRun(lane, ["latest", "--swap", "--yes"]);
  };
  await Promise.all(lanes.map(swap));
  const outcomes = new Set<string>();
  await killAtEveryMoment<Lane>({
    lanes,
    args: (lane) => argsOf(lane, ["--undo", "--yes"]),
    only: changes(),
    timeStandsStill: false,
    inspect: async (lane, moment, all) => {
      const items = await itemsIn(lane.shop.live.url);
      const [other, ...more] = await othersOf(lane);
      expect(more).toEqual([]);
      const undone = other?.includes("_undone_") === true;
      expect(items).toEqual(undone ? OLD : NEW);
      expect(await itemsIn(expectedDatabase(other ?? "", cluster.url()).url)).toEqual(undone ? NEW : OLD);
      outcomes.add(undone ? "old" : "new");
      const exchanged = all.findLastIndex((one) => one.startsWith("before sql COMMIT"));
      if (all.indexOf(moment) < exchanged) expect(undone).toBe(false);
      if (all.indexOf(moment) > exchanged) expect(undone).toBe(true);
    },
    recover: swap,
  });
  expect(outcomes).toEqual(new Set(["old", "new"]));
  for (const lane of lanes) {
    await expectCleanRun(lane, ["--undo", "--yes"]);
    expect(await itemsIn(lane.shop.live.url)).toEqual(OLD);
  }
});
