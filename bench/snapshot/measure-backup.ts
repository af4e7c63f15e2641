import { dumpGzip, dumpZstd, makeRestic } from "./baselines.ts";
import { type Bench, freshFolder, openSession, settle } from "./bench.ts";
import { changeRows } from "./change.ts";
import { mostMemory, timeRatio } from "./figures.ts";
import type { Findings } from "./goals.ts";
import { DATABASE, takeSnapshot } from "./handled.ts";
import type { Run } from "./run.ts";

const CHANGED = 0.01;

/**
 * Snapshots against dumps. Each round changes rows, takes the snapshot and the restic backup that follow the last
 * round's, then dumps, and takes a first snapshot and one of nothing changed, one after the other.
 */
export async function measureBackup(bench: Bench, signal: AbortSignal): Promise<Findings> {
  const { place, options, filled, say } = bench;
  const runs = { gzip: [], zstd: [], first: [], unchanged: [], changed: [], restic: [] } as Record<
    "gzip" | "zstd" | "first" | "unchanged" | "changed" | "restic",
    Run[]
  >;
  const restic = await makeRestic(place, signal);
  // What is needed anyhow, and warms both sides.
  let repository = await freshFolder(place, "repository-0");
  await takeSnapshot(place, repository, signal);
  await restic?.backup(signal);
  await dumpZstd(place, signal);
  let size = 0;
  for (let round = 1; round <= options.rounds; round++) {
    await using session = await openSession(place, DATABASE, signal);
    await changeRows(session, filled, CHANGED, 0.2 + 0.5 * (round / options.rounds));
    const take = async (kind: keyof typeof runs, measured: () => Promise<Run>): Promise<void> => {
      await settle(place, signal);
      const done = await measured();
      runs[kind].push(done);
      say(`round ${round}: ${kind} ${done.seconds.toFixed(2)} s`);
    };
    const snapshot = async (): Promise<Run> => {
      const done = await takeSnapshot(place, repository, signal);
      size = done.bytes;
      return done;
    };
    await take("changed", snapshot);
    if (restic !== undefined) await take("restic", () => restic.backup(signal));
    await take("gzip", () => dumpGzip(place, signal));
    // The one before stays: a file system that has just freed thousands of files may be slow to make new ones.
    repository = await freshFolder(place, `repository-${round}`);
    await take("first", snapshot);
    await take("zstd", () => dumpZstd(place, signal));
    await take("unchanged", snapshot);
  }
  bench.current = repository;
  say(`the rows are ${(size / 1e6).toFixed(0)} MB of COPY text`);
  return {
    firstGzip: timeRatio(runs.first, runs.gzip),
    firstZstd: timeRatio(runs.first, runs.zstd),
    unchanged: timeRatio(runs.unchanged, runs.gzip),
    changedGzip: timeRatio(runs.changed, runs.gzip),
    changedRestic:
      restic === undefined ? { missing: "restic is not installed" } : timeRatio(runs.changed, runs.restic),
    backupMemory: mostMemory(
      [...runs.first, ...runs.unchanged, ...runs.changed],
      "all its processes together",
    ),
  };
}
