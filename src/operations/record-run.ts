import { AppError, isAppError, messageOf } from "../errors.ts";
import { PROGRAM } from "../lib/program.ts";
import type { Runtime } from "../lib/runtime.ts";
import { describeHolder } from "../repository/holder.ts";
import { FORMAT_VERSION } from "../repository/manifest.ts";
import { holdsAnythingOf, openRepository, type Repository } from "../repository/repository.ts";
import type { RunFile } from "../repository/run-file.ts";
import { forgetBegun, newRunId, recordBegun, recordEnded, recordInterrupted } from "../repository/runs.ts";
import { requireSameKeys } from "../repository/sealing/alike.ts";
import type { Storage } from "../storage/storage.ts";

/** What is about to run. */
export interface RunRequest {
  readonly operation: RunFile["operation"];
  readonly database: string;
  /** The strategy's entry it belongs to; null for one by hand. */
  readonly entry: string | null;
  /** Where it is recorded: in each that can be written. */
  readonly storages: readonly Storage[];
}

/** What came of a run that did not throw. */
export type RunResult = Pick<RunFile, "backup" | "figures" | "summary"> & {
  readonly outcome: "done" | "degraded" | "failed";
  readonly sources?: RunFile["sources"];
  /** Why it failed, or is degraded. */
  readonly error?: AppError | undefined;
};

export const NO_FIGURES: RunFile["figures"] = { rows: null, bytes: null, storedBytes: null };

// Whoever has interrupted a run waits no longer than this for its record.
const LAST_WORDS_MS = 10_000;

// Then nothing has run. Of a wrong key nothing is to be touched.
const NOTHING_RAN = ["usage", "not_confirmed", "strategy_invalid", "wrong_key"];

/**
 * Runs what is to be found in the history: that it began is recorded before, how it ended afterwards. That it cannot be recorded
 * is told, and takes nothing away from what was done. Where there is nothing of the database yet, nothing is recorded before.
 */
export async function recordingRun<T>(
  runtime: Runtime,
  request: RunRequest,
  work: () => Promise<T>,
  resultOf: (value: T) => RunResult,
  signal: AbortSignal,
): Promise<T> {
  const storages = request.storages.filter(({ asOf }) => asOf === undefined);
  const run = await begunRun(runtime, request);
  // Where it could not be recorded once, it is told once.
  const refused = new Set<Storage>();
  const inEach = async (
    last: AbortSignal,
    record: (repository: Repository) => Promise<void>,
  ): Promise<void> => {
    let first: Repository | undefined;
    for (const storage of storages) {
      if (refused.has(storage)) continue;
      try {
        const repository = await openKnown(runtime, storage, run.database, last);
        if (repository === undefined) continue;
        first ??= repository;
        if (isAlike(first, repository)) await record(repository);
      } catch (error) {
        // Whatever it is, it says nothing of the run.
        refused.add(storage);
        runtime.reporter.warn(`this run is not recorded in ${storage.place}: ${messageOf(error)}`);
      }
    }
  };
  await inEach(signal, async (repository) => {
    await recordInterrupted(runtime, repository, run.database, signal);
    await recordBegun(repository, run, signal);
  });
  const end = async (result: RunResult | undefined, error: unknown): Promise<void> => {
    const ended = endedRun(runtime, run, result, error, signal);
    const last = AbortSignal.timeout(LAST_WORDS_MS);
    // Looked at anew: this run may have made a repository, or a disk may have gone away.
    await inEach(last, async (repository) => {
      if (ended === undefined) await forgetBegun(repository, run, last);
      else await recordEnded(repository, ended, last);
    });
  };
  let value: T;
  try {
    value = await work();
  } catch (error) {
    await end(undefined, error);
    throw error;
  }
  await end(resultOf(value), undefined);
  return value;
}

/** Into a place that is sealed to others nothing of this database is written. */
function isAlike(first: Repository, other: Repository): boolean {
  try {
    requireSameKeys(first, other);
    return true;
  } catch (error) {
    if (!isAppError(error, "repository_unusable")) throw error;
    return false;
  }
}

async function begunRun({ clock }: Runtime, { operation, database, entry }: RunRequest): Promise<RunFile> {
  return {
    format: FORMAT_VERSION,
    id: newRunId(clock),
    operation,
    database,
    entry,
    startedAt: clock.now().toISOString(),
    finishedAt: null,
    by: await describeHolder(operation),
    program: PROGRAM,
    outcome: null,
    backup: null,
    figures: NO_FIGURES,
    summary: "",
    error: null,
  };
}

/** Undefined where nothing ran. */
function endedRun(
  { clock, secrets }: Runtime,
  run: RunFile,
  result: RunResult | undefined,
  error: unknown,
  signal: AbortSignal,
): RunFile | undefined {
  const told = ({ code, message, hint }: AppError): RunFile["error"] => ({
    code,
    message: secrets.redact(message),
    hint: hint === undefined ? null : secrets.redact(hint),
  });
  const ended = { ...run, finishedAt: clock.now().toISOString() };
  if (result !== undefined) {
    const { error: reason } = result;
    return { ...ended, ...result, error: reason === undefined ? null : told(reason) };
  }
  const failure = error instanceof AppError ? error : new AppError("unexpected", messageOf(error));
  if (NOTHING_RAN.includes(failure.code)) return undefined;
  // One that was too slow has failed, whoever stopped it.
  const isLate = isAppError(signal.reason, "deadline_passed");
  const interrupted = !isLate && (signal.aborted || failure.code === "interrupted");
  return { ...ended, outcome: interrupted ? "interrupted" : "failed", error: told(failure) };
}

/**
 * The repository, where it has something of the database: a record must not make a folder for a name that is mistyped. What
 * keeps it from being opened is the run's own to say, which needs it more than its record does.
 */
async function openKnown(
  runtime: Runtime,
  storage: Storage,
  database: string,
  signal: AbortSignal,
): Promise<Repository | undefined> {
  try {
    const repository = await openRepository(runtime, storage, signal);
    return (await holdsAnythingOf(storage, database, signal)) ? repository : undefined;
  } catch (error) {
    if (!isAppError(error)) throw error;
    return undefined;
  }
}
