import { expect } from "vitest";
import { PruneJson } from "../../src/json/backup.ts";
import { listBackups } from "../../src/repository/backups.ts";
import { leaseNumber } from "../../src/repository/layout.ts";
import { isSnapshot } from "../../src/repository/listing.ts";
import type { SnapshotIndex } from "../../src/repository/manifest.ts";
import { openRepository, type Repository } from "../../src/repository/repository.ts";
import { openStorage } from "../../src/storage/open.ts";
import { jsonOf, runCli } from "../support/cli.ts";
import { freshPlace } from "../support/fresh-place.ts";
import { type FreshDatabase, freshDatabase } from "../support/postgres.ts";
import { noAbort, testRuntime } from "../support/runtime.ts";
import { readSnapshot } from "../support/sample-snapshot.ts";

const signal = noAbort();

// One table that changes before each run, and two that are reused.
const SQL = `
create table changing as select n as id, 0 as run from generate_series(1, 20) n;
create table still as select repeat('x', 200) || n as word from generate_series(1, 30) n;
create table empty (id serial, note text);`;

/** A database, and a repository with snapshots of it. */
export interface SnapshotLane {
  /** Where HANDLED_TEST_PLACE asks for a bucket, its URL. */
  folder: string;
  readonly database: FreshDatabase;
  /** What the database holds now. */
  now: readonly string[];
  /** What each snapshot that is there must have in it, by its id, oldest first. */
  readonly taken: Map<string, readonly string[]>;
  /** How often the rows were changed. */
  runs: number;
}

/** @param cluster a superuser's URL of another cluster than the shared one */
export async function snapshotLane(owned: AsyncDisposableStack, cluster?: string): Promise<SnapshotLane> {
  const database = owned.use(
    await freshDatabase({ sql: SQL, ...(cluster === undefined ? {} : { cluster }) }),
  );
  const folder = owned.use(await freshPlace()).url;
  return { folder, database, now: await rowsOf(database), taken: new Map(), runs: 0 };
}

/** One connection reads, so that what it does comes in the same order each time. */
export const snapshotArgs = ({ folder, database }: SnapshotLane, keep: string): string[] => [
  "backup",
  "data",
  "--kind",
  "snapshot",
  "--jobs",
  "1",
  "--keep",
  keep,
  "--url",
  database.url,
  "--repository",
  folder,
];

/** Nothing that is garbage waits. */
export const pruneArgs = ({ folder }: SnapshotLane, keep: string): string[] => [
  "prune",
  "data",
  "--keep",
  keep,
  "--garbage-age",
  "0s",
  "--repository",
  folder,
];

/** Takes a snapshot, and changes the rows afterwards. */
export async function takeSnapshot(lane: SnapshotLane, keep: string): Promise<void> {
  const result = await runCli(snapshotArgs(lane, keep));
  expect(result, result.stderr).toMatchObject({ code: 0 });
  await expectSound(lane);
  await changeRows(lane);
}

export async function changeRows(lane: SnapshotLane): Promise<void> {
  lane.runs += 1;
  await lane.database.query("update changing set run = $1 where id % 2 = 0", [lane.runs]);
  lane.now = await rowsOf(lane.database);
}

/** Every row as COPY writes it, sorted. */
async function rowsOf(database: FreshDatabase): Promise<string[]> {
  const rows = await database.query<{ line: string }>(
    "select id || E'\\t' || run as line from changing union all select word from still",
  );
  return rows.map(({ line }) => line).toSorted();
}

/**
 * Every snapshot that is listed is whole and has the rows of its time. Counts those that were not there before, and those
 * that are there no more.
 */
export async function expectSound(lane: SnapshotLane): Promise<{ added: number; deleted: number }> {
  const repository = await open(lane);
  const { backups, damaged } = await listBackups(repository, "data", signal);
  expect(damaged).toEqual([]);
  const snapshots = backups.filter(isSnapshot);
  const before = lane.taken.size;
  for (const { id } of snapshots) if (!lane.taken.has(id)) lane.taken.set(id, lane.now);
  const added = lane.taken.size - before;
  for (const index of snapshots) {
    const texts = await readSnapshot(repository, index, signal);
    const lines = texts.join("").split("\n").slice(0, -1).toSorted();
    expect(lines).toEqual(lane.taken.get(index.id));
  }
  const listed = new Set<string>(snapshots.map(({ id }) => id));
  const gone = [...lane.taken.keys()].filter((id) => !listed.has(id));
  for (const id of gone) lane.taken.delete(id);
  return { added, deleted: gone.length };
}

/**
 * Two prunes leave what the listed snapshots need, and nothing else. A bucket tells times in whole seconds in one answer and in parts
 * of them in another: there a note that is as young as this second may wait for a further one.
 */
export async function expectTidied(lane: SnapshotLane, keep: string): Promise<void> {
  for (let run = 0, waiting = 0; run < 2 || (waiting > 0 && run < 20); run++) {
    const result = await runCli([...pruneArgs(lane, keep), "--json"]);
    expect(result.code, result.stderr).toBe(0);
    const garbage = PruneJson.parse(jsonOf(result)).databases[0]?.garbage;
    expect(garbage?.refused).toEqual([]);
    waiting = (garbage?.waiting.objects ?? 0) + (garbage?.noted.objects ?? 0);
  }
  await expectSound(lane);
  const repository = await open(lane);
  const { backups } = await listBackups(repository, "data", signal);
  const files = await repository.storage.keys("", "all", signal);
  const under = (folder: string): string[] => files.filter((file) => file.startsWith(`data/${folder}/`));
  // The void indexes of killed runs stay for a month.
  const voids = files.filter((file) => file.endsWith("/index")).length - backups.length;
  expect(under("backups")).toHaveLength(backups.length * 3 + voids);
  expect(under("records").filter((file) => file.endsWith(".note"))).toEqual([]);
  expect(under("readers")).toEqual([]);
  const named = await Promise.all(backups.filter(isSnapshot).map((index) => namedBy(lane, index)));
  expect([...under("parts"), ...under("tables")].toSorted()).toEqual([...new Set(named.flat())].toSorted());
  expect(files.filter((file) => leaseNumber(file) !== undefined)).toHaveLength(1);
}

async function open({ folder }: SnapshotLane, runtime = testRuntime()): Promise<Repository> {
  return await openRepository(runtime, openStorage(runtime, folder), signal);
}

/** Where the parts and part lists of a snapshot lie: what is opened to read all of it. */
async function namedBy(lane: SnapshotLane, index: SnapshotIndex): Promise<string[]> {
  const opened: string[] = [];
  const observer = (phase: "before" | "after", operation: string): void => {
    const [, key] = /^storage open (.*)$/.exec(operation) ?? [];
    if (phase === "before" && key !== undefined) opened.push(key);
  };
  await readSnapshot(await open(lane, testRuntime({ observer })), index, signal);
  return opened;
}
