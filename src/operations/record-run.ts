import { AppError, isAppError, messageOf } from "../errors.ts";
import { PROGRAM } from "../lib/program.ts";
import type { Runtime } from "../lib/runtime.ts";
import { describeHolder } from "../repository/holder.ts";
import { FORMAT_VERSION } from "../repository/manifest.ts";
import type { RunFile } from "../repository/run-file.ts";
import { forgetBegun, newRunId, recordBegun, recordEnded, recordInterrupted } from "../repository/runs.ts";
import type { Storage } from "../storage/storage.ts";
import { noteChange } from "./changes-here.ts";
import { recordInPlaces } from "./record-in-places.ts";

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
  readonly proven?: RunFile["proven"];
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
  const run = await begunRun(runtime, request);
  // Looked at anew each time: the run may make a repository, or a disk may go away.
  const inEach = recordInPlaces(runtime, run.database, request.storages, "this run");
  await inEach(signal, async (repository) => {
    await recordInterrupted(runtime, repository, run.database, signal);
    await recordBegun(repository, run, signal);
  });
  const end = async (result: RunResult | undefined, error: unknown): Promise<void> => {
    const ended = endedRun(runtime, run, result, error, signal);
    const last = AbortSignal.timeout(LAST_WORDS_MS);
    await inEach(last, async (repository) => {
      if (ended === undefined) await forgetBegun(repository, run, last);
      else await recordEnded(repository, ended, last);
    });
    await noteChange(runtime, request.storages);
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
