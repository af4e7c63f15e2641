import { dumpFolder, dumpGzip, loadFolder, loadGzip } from "./baselines.ts";
import { type Bench, createDatabase, dropDatabase, freshFolder, settle } from "./bench.ts";
import { mostMemory, seconds, timeRatio } from "./figures.ts";
import type { Findings } from "./goals.ts";
import { restoreSnapshot, takeSnapshot, verifySnapshot } from "./handled.ts";
import type { Run } from "./run.ts";

const INTO = "restored";
type Kind = "psql" | "stock" | "whole" | "table" | "verify" | "compare";
const CATALOGUE = "public.products";

/** Restores, in turn, of the same rows: by psql, by pg_restore, and ours: whole, of one table, and verify's. */
export async function measureRestore(bench: Bench, signal: AbortSignal): Promise<Findings> {
  const { place, options, say } = bench;
  const repository = bench.current ?? (await makeBackups(bench, signal));
  await dumpFolder(place, signal);
  const runs = { psql: [], stock: [], whole: [], table: [], verify: [], compare: [] } as Record<Kind, Run[]>;
  for (let round = 1; round <= options.rounds; round++) {
    const take = async (kind: Kind, measured: () => Promise<Run>): Promise<void> => {
      await settle(place, signal);
      const done = await measured();
      runs[kind].push(done);
      say(`round ${round}: restore, ${kind} ${done.seconds.toFixed(2)} s`);
      await dropDatabase(place, INTO, signal);
    };
    await createDatabase(place, INTO, signal);
    await take("psql", () => loadGzip(place, INTO, signal));
    await take("whole", () => restoreSnapshot(place, repository, INTO, signal));
    await createDatabase(place, INTO, signal);
    await take("stock", () => loadFolder(place, INTO, signal));
    await take("table", () => restoreSnapshot(place, repository, INTO, signal, { table: CATALOGUE }));
    await settle(place, signal);
    const verified = await verifySnapshot(place, repository, signal);
    runs.verify.push({ ...verified, seconds: verified.restoreSeconds });
    runs.compare.push({ ...verified, seconds: verified.compareSeconds });
    say(
      `round ${round}: verify restored ${seconds(verified.restoreSeconds)}, compared ${seconds(verified.compareSeconds)}`,
    );
  }
  return {
    restorePsql: timeRatio(runs.whole, runs.psql),
    restoreStock: timeRatio(runs.whole, runs.stock),
    table: timeRatio(runs.table, runs.whole),
    restoreMemory: mostMemory([...runs.whole, ...runs.table], "all its processes together"),
    verify: timeRatio(runs.verify, runs.stock),
    content: timeRatio(runs.compare, runs.verify),
  };
}

async function makeBackups({ place }: Bench, signal: AbortSignal): Promise<string> {
  const repository = await freshFolder(place, "repository-restore");
  await takeSnapshot(place, repository, signal);
  await dumpGzip(place, signal);
  return repository;
}
