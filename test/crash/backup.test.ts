import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, readlink, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { isArchive } from "../../src/repository/listing.ts";
import { listBackups, listForeign, readContent, readTables } from "../../src/repository/backups.ts";
import { leaseNumber } from "../../src/repository/layout.ts";
import type { ArchiveIndex } from "../../src/repository/manifest.ts";
import { openRepository } from "../../src/repository/repository.ts";
import { openFilesystem } from "../../src/storage/filesystem.ts";
import { jsonOf, runCli } from "../support/cli.ts";
import { expectNoSessions, filesOf, withoutRuns } from "../support/leftovers.ts";
import { type FreshDatabase, freshDatabase, temporaryFolder } from "../support/postgres.ts";
import { noAbort, testRuntime } from "../support/runtime.ts";
import { killAtEveryMoment } from "./harness.ts";
import { momentsOfChange } from "./moments.ts";

const signal = noAbort();
const STAGE = "storage stage data/handled_data_<time>.sql.zst";
const FOREIGN = "data/dump_of_2019.sql.gz";
// Two processes keep two cores busy; a third fills the gaps while one waits for the server.
const LANES = 3;

interface Lane {
  readonly folder: string;
  readonly database: FreshDatabase;
  /** The backups that were there before the run, newest first. */
  before: readonly string[];
}

const OPTIONS = ["--compression", "zstd", "--keep", "last=2"];
const backupArgs = ({ folder, database }: Lane): string[] => {
  const place = ["--url", database.url, "--repository", folder];
  return ["backup", "data", ...place, ...OPTIONS];
};

async function backUp(lane: Lane, options: readonly string[] = []): Promise<void> {
  const result = await runCli([...backupArgs(lane), ...options]);
  expect(result, result.stderr).toMatchObject({ code: 0 });
}

/** Every backup that is listed is whole, and nothing else looks like one. Returns them, newest first. */
async function expectSound(folder: string, foreign: readonly string[]): Promise<ArchiveIndex[]> {
  const storage = openFilesystem(testRuntime(), folder);
  const repository = await openRepository(testRuntime(), storage, signal);
  const { backups: all, damaged } = await listBackups(repository, "data", signal);
  expect(damaged).toEqual([]);
  const backups = all.filter(isArchive);
  for (const index of backups) {
    const archive = await readFile(join(folder, index.archive.key));
    expect(createHash("sha256").update(archive).digest("hex")).toBe(index.archive.sha256);
    expect(await readTables(repository, index, signal)).toHaveLength(2);
    await readContent(repository, index, signal);
  }
  const others = await listForeign(repository, "data", backups, signal);
  expect(others.map(({ key }) => key)).toEqual(foreign);
  return backups;
}

/** Nothing is there but what these backups consist of, and what is remembered of runs that have ended. */
async function expectTidy(folder: string, backups: readonly ArchiveIndex[]): Promise<void> {
  const expected = backups.flatMap(({ id, archive }) => [
    archive.key,
    ...["content", "index", "tables"].map((name) => `data/backups/${id}/${name}`),
  ]);
  const files = withoutRuns(await filesOf(folder));
  const leases = files.filter((file) => leaseNumber(file) !== undefined);
  expect(leases).toHaveLength(1);
  expect(files.filter((file) => !leases.includes(file))).toEqual(
    [...expected, "data/handled_data_latest.sql.zst", FOREIGN, "repository.json"].toSorted(),
  );
}

/** Two backups, and an archive of somebody else. */
async function makeLane(disposables: AsyncDisposableStack): Promise<Lane> {
  const sql = "create table t as select generate_series(1, 10) as id; create table u (id serial)";
  const database = disposables.use(await freshDatabase({ sql }));
  const folder = disposables.use(await temporaryFolder()).path;
  const lane: Lane = { folder, database, before: [] };
  await mkdir(join(folder, "data"));
  await writeFile(join(folder, FOREIGN), "theirs");
  for (let n = 0; n < 2; n++) await backUp(lane);
  lane.before = idsOf(await expectSound(folder, [FOREIGN]));
  return lane;
}

const idsOf = (backups: readonly ArchiveIndex[]): string[] => backups.map(({ id }) => id);

/** How far a killed run came, by the backups there are. */
function outcomeOf(
  found: readonly string[],
  before: readonly string[],
): "nothing" | "a backup" | "a deletion" {
  if (before.includes(found[0] ?? "")) {
    expect(found).toEqual(before);
    return "nothing";
  }
  const old = found.slice(1);
  // Of the older ones all but the newest may be deleted: two are kept.
  expect([before, before.filter((id) => old.includes(id))]).toContainEqual(old);
  expect(old[0]).toBe(before[0]);
  return old.length === before.length ? "a backup" : "a deletion";
}

test("a backup that is killed at any moment costs nothing but itself", { timeout: 240_000 }, async () => {
  await using disposables = new AsyncDisposableStack();
  const lanes = await Promise.all(Array.from({ length: LANES }, () => makeLane(disposables)));
  const outcomes = new Set<string>();
  const tried = await killAtEveryMoment<Lane>({
    lanes,
    args: backupArgs,
    // Up to there a run may have to take over the lease of the one before, and to clear away what that left.
    landmarks: [STAGE],
    only: momentsOfChange(
      /^(storage (stage|write|finish|publish|put|delete|link|sweep)|child|sql (BEGIN|LOCK|COMMIT))/,
    ),
    recorded: async (lane) => {
      lane.before = idsOf(await expectSound(lane.folder, [FOREIGN]));
    },
    inspect: async (lane, moment, all) => {
      const found = idsOf(await expectSound(lane.folder, [FOREIGN]));
      const outcome = outcomeOf(found, lane.before);
      lane.before = found;
      outcomes.add(outcome);
      // The index is what makes a backup exist: not before it is written, and for good from then on.
      const written = all.indexOf(`after storage put new data/backups/<id>/index #1 after ${STAGE}`);
      expect(written).toBeGreaterThan(0);
      if (all.indexOf(moment) < written) expect(outcome).toBe("nothing");
      else expect(outcome).not.toBe("nothing");
      const latest = join(lane.folder, "data/handled_data_latest.sql.zst");
      expect(await filesOf(lane.folder)).toContain(`data/${await readlink(latest)}`);
    },
  });
  for (const kind of ["storage ", "sql ", "child "]) {
    expect(tried.some((moment) => moment.includes(kind))).toBe(true);
  }
  // All three were met, or the moments were not those of a backup.
  expect(outcomes).toEqual(new Set(["nothing", "a backup", "a deletion"]));
  for (const lane of lanes) {
    await backUp(lane);
    const backups = await expectSound(lane.folder, [FOREIGN]);
    expect(backups).toHaveLength(2);
    expect(backups[1]?.id).toBe(lane.before[0]);
    await expectTidy(lane.folder, backups);
    await expectNoSessions(lane.database);
  }
});

test("nor does the first one, which makes the repository", async () => {
  await using disposables = new AsyncDisposableStack();
  const database = disposables.use(await freshDatabase({ sql: "create table t (); create table u ()" }));
  const folder = disposables.use(await temporaryFolder()).path;
  const lane: Lane = { folder, database, before: [] };
  const tried = await killAtEveryMoment<Lane>({
    lanes: [lane],
    // This machine remembers the repository that each turn takes away.
    args: (lane) => [...backupArgs(lane), "--new-place"],
    only: (moment) => /repository\.json|put new data\/lease/.test(moment),
    inspect: async (_, moment, all) => {
      // Once there is a backup, only the run's record is still to come.
      if (all.indexOf(moment) > all.indexOf("after storage put new data/backups/<id>/index #1")) {
        expect(await expectSound(folder, [])).toHaveLength(1);
        return;
      }
      const listed = await runCli(["list", "--repository", folder, "--json"]);
      if (listed.code !== 0) expect(listed.code).toBe(10);
      else expect(JSON.stringify(jsonOf(listed))).not.toContain("handled_data_");
    },
    recover: async () => {
      await backUp(lane, ["--new-place"]);
      expect(await expectSound(folder, [])).not.toEqual([]);
      for (const name of await readdir(folder)) await rm(join(folder, name), { recursive: true });
    },
  });
  expect(tried).toContain("after storage put new repository.json #1");
  expect(tried).toContain("after storage put new data/lease.<n>.json #1");
});
