import { isAppError, messageOf } from "../errors.ts";
import { gatherFacts } from "../health/facts.ts";
import { restoreTime } from "../health/live-figures.ts";
import type { Runtime } from "../lib/runtime.ts";
import { readRuns } from "../operations/history.ts";
import type { SourceFacts } from "../operations/sources/look-at-sources.ts";
import type { Repository } from "../repository/repository.ts";
import type { RunFile } from "../repository/run-file.ts";
import type { Estimate } from "./plan.ts";
import type { Subject } from "./subject.ts";

/** The ways to have a database back whose server is gone; `rebuild` only where the strategy says how. */
export interface Estimates {
  readonly restore: Estimate;
  readonly rebuild?: Estimate;
}

// One that failed says nothing of the time.
const RUNS_LOOKED_AT = 20;

/** From the rates that were measured last. Where the places cannot be read nothing is known, which is told. */
export async function estimatesOf(
  runtime: Runtime,
  subject: Subject,
  signal: AbortSignal,
): Promise<Estimates> {
  const { database, places, schemas, timeZone, rebuild } = subject;
  const unknown = { ms: null, basis: null };
  const restoring = { what: `restore ${database} from a backup`, ...unknown };
  const rebuilding = { what: `rebuild ${database} from its sources`, ...unknown };
  const withRebuild = (estimate: Estimate): Pick<Estimates, "rebuild"> =>
    rebuild === undefined ? {} : { rebuild: estimate };
  try {
    const facts = await gatherFacts(
      runtime,
      {
        database,
        schemas,
        timeZone,
        places: () => places,
        madeFrom: rebuild?.sources ?? [],
        // Nobody is asked but the places: the server is gone.
        connection: undefined,
        criticality: null,
        rpoMs: null,
        rtoMs: null,
        proofMs: null,
        entries: [],
        jobs: [],
        drills: [],
        duties: [],
      },
      signal,
    );
    const { predictedMs: ms, basis } = restoreTime(facts);
    const { repositories } = facts.listing;
    const last =
      rebuild === undefined ? undefined : await lastRebuild(runtime, database, repositories, signal);
    return {
      restore: { ...restoring, ms, basis },
      ...withRebuild({ ...rebuilding, ...(last === undefined ? unknown : scaled(last, facts.sources)) }),
    };
  } catch (error) {
    if (!isAppError(error) || signal.aborted) throw error;
    runtime.reporter.warn(`how long it takes is not known: ${messageOf(error)}`);
    return { restore: restoring, ...withRebuild(rebuilding) };
  }
}

/** Where the rate of one is not known, the backup: it was proven, and holds what sources may have lost. */
export function fasterOf({ restore, rebuild }: Estimates): "backup" | "rebuild" {
  const known = restore.ms !== null && rebuild?.ms != null;
  return known && (rebuild?.ms ?? 0) < (restore.ms ?? 0) ? "rebuild" : "backup";
}

async function lastRebuild(
  runtime: Runtime,
  database: string,
  repositories: readonly Repository[],
  signal: AbortSignal,
): Promise<RunFile | undefined> {
  const request = { database, operation: "rebuild", last: RUNS_LOOKED_AT } as const;
  const { runs } = await readRuns(runtime, repositories, request, signal);
  return runs.find(({ outcome, finishedAt }) => outcome === "done" && finishedAt !== null);
}

/** The time of a rebuild, by the bytes of its sources then and now. */
function scaled(run: RunFile, now: readonly SourceFacts[]): Pick<Estimate, "ms" | "basis"> {
  const sum = (sources: readonly { readonly bytes: number }[]): number =>
    sources.reduce((all, { bytes }) => all + bytes, 0);
  const took = Math.max(0, Date.parse(run.finishedAt ?? run.startedAt) - Date.parse(run.startedAt));
  const then = sum(run.sources ?? []);
  const basis = `rebuild of ${run.startedAt.slice(0, 10)}`;
  return { ms: then === 0 ? null : Math.round((took / then) * sum(now)), basis };
}
