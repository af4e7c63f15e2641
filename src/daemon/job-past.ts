import { isAppError } from "../errors.ts";
import { type Runtime, silentReporter } from "../lib/runtime.ts";
import { readHistory } from "../operations/history.ts";
import type { Job } from "../operations/schedule/jobs.ts";
import type { RunFile } from "../repository/run-file.ts";
import type { Storage } from "../storage/storage.ts";
import type { PastRun } from "./due.ts";

// A few more than are ever tried again; a run may have left a record in each place.
const LAST = 32;

/** The runs of a job that the places of its database have recorded, newest first. Errors: those of `readHistory`. */
export async function readPast(
  runtime: Runtime,
  job: Job,
  storages: readonly Storage[],
  signal: AbortSignal,
): Promise<PastRun[]> {
  const { database, operation, entry } = job;
  const wanted = (run: RunFile): boolean =>
    run.operation === operation && (entry === null || run.entry === entry);
  const request = { database, storages, last: LAST, since: undefined, wanted };
  // The name is the strategy's, so not mistyped; and what is wrong with the history the look at everything tells.
  const quiet = { ...runtime, reporter: silentReporter };
  const { runs } = await readHistory(quiet, request, signal).catch((error: unknown) => {
    // Before the first backup there is none.
    if (!isAppError(error, "repository_missing")) throw error;
    return { runs: [] };
  });
  // A process that checks one place after the other records each.
  const attempts = new Map<string, RunFile[]>();
  for (const run of runs) {
    const { host, pid, bootId, processStart } = run.by;
    const process = JSON.stringify([host, pid, bootId, processStart ?? run.id]);
    attempts.set(process, [...(attempts.get(process) ?? []), run]);
  }
  return [...attempts.values()].map(asOne);
}

// The worst of them is how the attempt ended.
const WORST = ["interrupted", "failed", "degraded", "done"] as const;

function asOne(runs: readonly RunFile[]): PastRun {
  const outcomes = new Set(runs.map(({ outcome }) => outcome));
  const starts = runs.map(({ startedAt }) => startedAt).toSorted();
  const ends = runs.flatMap(({ finishedAt }) => finishedAt ?? []).toSorted();
  const [first = ""] = starts;
  const last = ends.at(-1);
  return {
    startedAt: new Date(first),
    finishedAt: last === undefined ? null : new Date(last),
    outcome: outcomes.has(null) ? null : (WORST.find((outcome) => outcomes.has(outcome)) ?? "failed"),
  };
}
