import type { AppError } from "../errors.ts";
import type { Runtime } from "../lib/runtime.ts";
import { describeHolder, stateOfHolder } from "../repository/holder.ts";
import { monthOfRun } from "../repository/layout.ts";
import type { Holder } from "../repository/manifest.ts";
import { type IndexedRuns, openIndexedRuns } from "../repository/indexed-runs.ts";
import { type Repository, whatIsKnownOf } from "../repository/repository.ts";
import type { RunFile } from "../repository/run-file.ts";
import { asInterrupted, monthsOfRuns, readBegun } from "../repository/runs.ts";
import type { Storage } from "../storage/storage.ts";
import { openEach } from "./open-each.ts";

interface RunsRequest {
  readonly database: string;
  /** No more than so many, the newest. */
  readonly last: number;
  /** Only those that come before the run with this id. */
  readonly before?: string | undefined;
  /** Only those that began then or later. */
  readonly since?: Date | undefined;
  readonly operation?: RunFile["operation"] | undefined;
  /** Only what failed, was interrupted or is degraded. */
  readonly failed?: boolean | undefined;
  /** What else must be true of them. */
  readonly wanted?: ((run: RunFile) => boolean) | undefined;
  /** Make the index on this machine anew, of all that there is. */
  readonly rebuild?: boolean | undefined;
}

export interface HistoryRequest extends RunsRequest {
  readonly storages: readonly Storage[];
}

interface Runs {
  /** Newest first; those that have begun and not ended among them. */
  readonly runs: readonly RunFile[];
  /** Whether there are older ones that were not asked for. */
  readonly more: boolean;
}

export interface History extends Runs {
  readonly database: string;
  /** Why places could not be read. */
  readonly failures: readonly AppError[];
}

/**
 * The runs that the places of a database have recorded, each once. Only as many months are looked at as are asked for, and read
 * is only what the index on this machine has not got yet. Throws where no place can be read.
 */
export async function readHistory(
  runtime: Runtime,
  request: HistoryRequest,
  signal: AbortSignal,
): Promise<History> {
  const { database, storages } = request;
  const { repositories, failures } = await openEach(runtime, storages, signal);
  const found = await readRuns(runtime, repositories, request, signal);
  if (found.runs.length === 0) await warnOfUnknown(runtime, repositories, database, signal);
  return { database, ...found, failures };
}

/** The same of places that are open. */
export async function readRuns(
  runtime: Runtime,
  repositories: readonly Repository[],
  request: RunsRequest,
  signal: AbortSignal,
): Promise<Runs> {
  const { database, last, before, since, operation, failed = false, rebuild = false } = request;
  const wanted = request.wanted ?? ((): boolean => true);
  const from = since?.toISOString() ?? "";
  const query = { from, before, operation, failed, wanted, limit: last + 1 };
  const isAsked = (run: RunFile): boolean =>
    run.startedAt >= from &&
    (before === undefined || run.id < before) &&
    (operation === undefined || run.operation === operation) &&
    (!failed || (run.outcome !== null && run.outcome !== "done")) &&
    wanted(run);
  using indexes = new DisposableStack();
  const places: IndexedRuns[] = [];
  for (const repository of repositories)
    places.push(indexes.use(await openIndexedRuns(runtime, repository, database, rebuild, signal)));
  const found = new Map<string, RunFile>();
  const begun = new Map<string, RunFile>();
  const months = new Set<string>();
  for (const repository of repositories) {
    for (const run of await readBegun(runtime, repository, database, signal)) begun.set(run.id, run);
    for (const month of await monthsOfRuns(repository, database, signal)) months.add(month);
  }
  const begunIn = (month: string): string[] => [...begun.keys()].filter((id) => monthOfRun(id) === month);
  for (const month of [...months].toSorted().toReversed()) {
    if (!rebuild && (month < from.slice(0, 7) || found.size > last)) break;
    if (!rebuild && before !== undefined && month > monthOfRun(before)) continue;
    for (const place of places) {
      const { runs, ended } = await place.month(month, query, begunIn(month));
      // One place may have seen the end that another was not there for.
      for (const id of ended) begun.delete(id);
      for (const run of runs) found.set(run.id, run);
    }
  }
  const self = await describeHolder("look");
  const unended = await Promise.all([...begun.values()].map((run) => asSeen(run, self)));
  const runs = [...found.values(), ...unended.filter(isAsked)].toSorted((a, b) => (a.id < b.id ? 1 : -1));
  return { runs: runs.slice(0, last), more: runs.length > last };
}

/** Whoever mistyped a name is told which ones there are. */
async function warnOfUnknown(
  runtime: Runtime,
  repositories: readonly Repository[],
  database: string,
  signal: AbortSignal,
): Promise<void> {
  const known = await Promise.all(
    repositories.map(async (repository) => await whatIsKnownOf(repository, database, signal)),
  );
  if (known.some(({ there }) => there)) return;
  for (const one of known) if (!one.there) runtime.reporter.warn(one.note);
}

/** What has begun here and whose process is gone was interrupted; the next run writes it down. */
async function asSeen(run: RunFile, self: Holder): Promise<RunFile> {
  return (await stateOfHolder(run.by, self)) === "dead" ? asInterrupted(run) : run;
}
