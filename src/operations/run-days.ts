import type { LocalDay } from "../lib/local-days.ts";
import type { Runtime } from "../lib/runtime.ts";
import { describeHolder, stateOfHolder } from "../repository/holder.ts";
import { type IndexedRuns, openIndexedRuns } from "../repository/indexed-runs.ts";
import { includesLevel, ProofLevel } from "../repository/proof-file.ts";
import type { Repository } from "../repository/repository.ts";
import type { RunFacts } from "../repository/run-index.ts";
import { monthsOfRuns, readBegun } from "../repository/runs.ts";

/** What ran on one day. */
export interface RunDay {
  /** By the calendar that was asked for: `2026-11-29`. */
  readonly day: string;
  /** Backups that were made, those that are degraded among them. */
  readonly backups: number;
  /** Verifications that restored a backup and found nothing wrong. */
  readonly proofs: number;
  /** Whatever failed or was interrupted. */
  readonly failures: number;
  /** What did what it is for, though something was wrong. */
  readonly degraded: number;
}

/**
 * Counts what the places of a database have recorded, day by day, each run once and on the day it began. Read is only what the index on
 * this machine has not got yet, and of the records nothing. Errors: those of the storage.
 * @param days oldest first
 */
export async function countRunDays(
  runtime: Runtime,
  repositories: readonly Repository[],
  { database, days }: { readonly database: string; readonly days: readonly LocalDay[] },
  signal: AbortSignal,
): Promise<RunDay[]> {
  const from = days[0]?.from ?? "";
  const found = new Map<string, RunFacts>();
  for (const run of await readDead(runtime, repositories, database, signal)) found.set(run.id, run);
  using indexes = new DisposableStack();
  for (const repository of repositories) {
    const place: IndexedRuns = indexes.use(
      await openIndexedRuns(runtime, repository, database, false, signal),
    );
    for (const month of await monthsOfRuns(repository, database, signal)) {
      if (month < from.slice(0, 7)) break;
      for (const run of await place.facts(month)) found.set(run.id, run);
    }
  }
  const counted = days.map(({ day }) => ({ day, backups: 0, proofs: 0, failures: 0, degraded: 0 }));
  for (const run of found.values()) {
    const of = counted[days.findLastIndex((day) => day.from <= run.startedAt)];
    if (of === undefined) continue;
    const isGood = run.outcome === "done" || run.outcome === "degraded";
    if (!isGood) of.failures++;
    if (run.outcome === "degraded") of.degraded++;
    if (isGood && run.operation === "backup") of.backups++;
    if (isGood && isProof(run)) of.proofs++;
  }
  return counted;
}

/** That all bytes are there does not show that a backup comes back. */
function isProof({ proven }: RunFacts): boolean {
  const level = ProofLevel.safeParse(proven);
  return level.success && includesLevel(level.data, "restore");
}

/** What has begun on this machine and ended without a word. */
async function readDead(
  runtime: Runtime,
  repositories: readonly Repository[],
  database: string,
  signal: AbortSignal,
): Promise<RunFacts[]> {
  const self = await describeHolder("look");
  const dead: RunFacts[] = [];
  for (const repository of repositories) {
    for (const { id, startedAt, operation, by } of await readBegun(runtime, repository, database, signal)) {
      if ((await stateOfHolder(by, self)) !== "dead") continue;
      dead.push({ id, startedAt, operation, outcome: "interrupted", proven: null });
    }
  }
  return dead;
}
