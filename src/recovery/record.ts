import { AppError, isAppError, messageOf } from "../errors.ts";
import { PROGRAM } from "../lib/program.ts";
import type { Runtime } from "../lib/runtime.ts";
import { formatDuration } from "../lib/text.ts";
import { noteChange } from "../operations/changes-here.ts";
import { type RecordInPlaces, recordInPlaces } from "../operations/record-in-places.ts";
import { NO_FIGURES, recordingRun, type RunResult } from "../operations/record-run.ts";
import { describeHolder } from "../repository/holder.ts";
import { BackupId, FORMAT_VERSION } from "../repository/manifest.ts";
import {
  forgetRecoveryBegun,
  recordInterruptedRecoveries,
  recordRecoveryBegun,
  recordRecoveryEnded,
} from "../repository/recoveries.ts";
import type { RecoveryFile } from "../repository/recovery-file.ts";
import { newRunId } from "../repository/runs.ts";
import type { Storage } from "../storage/storage.ts";
import type { Outputs, Plan } from "./plan.ts";
import type { PlanResult } from "./run-plan.ts";

/** A plan that is about to run. */
export interface RecordRequest {
  readonly kind: RecoveryFile["kind"];
  readonly plan: Plan;
  /** The strategy's drill that it belongs to; null for one by hand. */
  readonly entry: string | null;
  readonly note: string;
  /** By database of the plan: where it is recorded. */
  readonly places: ReadonlyMap<string, readonly Storage[]>;
}

/** A plan that has run, and what is recorded of it. */
export interface RecordedResult {
  readonly result: PlanResult;
  readonly recovery: RecoveryFile;
}

// Whoever has interrupted one waits no longer than this for its record.
const LAST_WORDS_MS = 10_000;

/**
 * Runs a plan of which is recorded, with every step, what came of it: that it began before, how it ended afterwards, in each place of
 * each of its databases that can be written. Also in the history, as a run. Where no step has begun, nothing is recorded.
 */
export async function recordingRecovery(
  runtime: Runtime,
  request: RecordRequest,
  work: () => Promise<PlanResult>,
  signal: AbortSignal,
): Promise<RecordedResult> {
  const { kind, entry, places } = request;
  const begun = await begunRecovery(runtime, request);
  const recorders = [...places].map(([database, storages]) => ({
    database,
    record: recordInPlaces(runtime, database, storages, `this ${kind === "drill" ? "drill" : "recovery"}`),
  }));
  for (const { database, record } of recorders) {
    await record(signal, async (repository) => {
      await recordInterruptedRecoveries(runtime, repository, database, signal);
      await recordRecoveryBegun(repository, database, begun, signal);
    });
  }
  let run = work;
  for (const [database, storages] of places) {
    const inner = run;
    const of = { operation: kind, database, entry, storages };
    run = async () => await recordingRun(runtime, of, inner, (result) => runResult(request, result), signal);
  }
  try {
    const result = await run();
    const recovery = endedRecovery(runtime, request, begun, result);
    await recordEnd(recorders, recovery);
    return { result, recovery };
  } catch (error) {
    await recordEnd(recorders, stopped(runtime, begun, error, signal));
    throw error;
  } finally {
    await noteChange(runtime, [...places.values()].flat());
  }
}

interface Recorder {
  readonly database: string;
  readonly record: RecordInPlaces;
}

/** One that has no outcome is forgotten, as if it had never begun. */
async function recordEnd(recorders: readonly Recorder[], recovery: RecoveryFile): Promise<void> {
  const last = AbortSignal.timeout(LAST_WORDS_MS);
  for (const { database, record } of recorders) {
    await record(last, async (repository) => {
      if (recovery.outcome === null) await forgetRecoveryBegun(repository, database, recovery, last);
      else await recordRecoveryEnded(repository, database, recovery, last);
    });
  }
}

async function begunRecovery(
  { clock }: Runtime,
  { kind, plan, entry, note }: RecordRequest,
): Promise<RecoveryFile> {
  return {
    format: FORMAT_VERSION,
    id: newRunId(clock),
    kind,
    scenario: plan.scenario,
    databases: [...plan.databases],
    entry,
    startedAt: clock.now().toISOString(),
    finishedAt: null,
    by: await describeHolder(kind),
    program: PROGRAM,
    outcome: null,
    from: null,
    budgetMs: plan.budgetMs,
    steps: plan.steps.map(({ id, title, budgetMs }) => ({
      id,
      title,
      budgetMs,
      ms: null,
      outcome: "not begun",
    })),
    rtoMs: null,
    dataLostMs: null,
    error: null,
    note,
  };
}

function endedRecovery(
  runtime: Runtime,
  { plan }: RecordRequest,
  begun: RecoveryFile,
  result: PlanResult,
): RecoveryFile {
  const { startedAt, finishedAt, steps, outputs, failed } = result;
  const point = recoveryPoint(outputs);
  return {
    ...begun,
    startedAt: startedAt.toISOString(),
    finishedAt: finishedAt.toISOString(),
    outcome: failed === null ? "done" : "failed",
    from: recoveredFrom(plan, outputs),
    steps: steps.map(({ ms, ...step }) => ({ ...step, ms: ms === null ? null : Math.round(ms) })),
    rtoMs: failed === null ? Math.max(0, finishedAt.getTime() - startedAt.getTime()) : null,
    dataLostMs: point === undefined ? null : Math.max(0, startedAt.getTime() - point.getTime()),
    error: failed === null ? null : told(runtime, failed.error),
  };
}

/** One that did not come to its end or to a failed step: nobody agreed to it, or somebody stopped it. */
function stopped(runtime: Runtime, begun: RecoveryFile, error: unknown, signal: AbortSignal): RecoveryFile {
  const failure = error instanceof AppError ? error : new AppError("unexpected", messageOf(error));
  const isLate = isAppError(signal.reason, "deadline_passed");
  const isStopped = signal.aborted || failure.code === "interrupted";
  // As with runs: what was refused has not run.
  if (!isStopped && ["usage", "not_confirmed"].includes(failure.code)) return begun;
  return {
    ...begun,
    finishedAt: runtime.clock.now().toISOString(),
    outcome: isStopped && !isLate ? "interrupted" : "failed",
    error: told(runtime, failure),
  };
}

function told({ secrets }: Runtime, { code, message, hint }: AppError): RecoveryFile["error"] {
  return {
    code,
    message: secrets.redact(message),
    hint: hint === undefined ? null : secrets.redact(hint),
  };
}

function runResult(
  { plan }: RecordRequest,
  { failed, outputs, startedAt, finishedAt }: PlanResult,
): RunResult {
  const { scenario, budgetMs } = plan;
  const ms = Math.max(0, finishedAt.getTime() - startedAt.getTime());
  const backup = BackupId.safeParse(outputs["backup"]);
  const rows = outputs["rows"];
  const of = { backup: backup.success && outputs["source"] !== "provider" ? backup.data : null };
  const figures = { ...NO_FIGURES, rows: typeof rows === "number" ? rows : null };
  if (failed !== null)
    return {
      ...of,
      figures,
      outcome: "failed",
      summary: `${scenario}: ${failed.step.title}`,
      error: failed.error,
    };
  const took = `${scenario} in ${formatDuration(ms)}, the budget is ${formatDuration(budgetMs)}`;
  return { ...of, figures, outcome: "done", summary: took };
}

/** The moment that is brought back; of several databases, of which each has its own, the oldest. */
function recoveryPoint(outputs: Outputs): Date | undefined {
  const times = valuesOf(outputs, "snapshotAt")
    .map((value) => Date.parse(String(value)))
    .filter((time) => !Number.isNaN(time));
  return times.length > 0 ? new Date(Math.min(...times)) : undefined;
}

/** What steps have told under a name: those of one database, or of each of several (`DATABASE.name`). */
function valuesOf(outputs: Outputs, name: string): (string | number)[] {
  return Object.entries(outputs).flatMap(([key, value]) =>
    key === name || key.endsWith(`.${name}`) ? [value] : [],
  );
}

/** The service's cluster or the backup; of several databases those of each. */
function recoveredFrom({ aim, databases }: Plan, outputs: Outputs): string | null {
  if (aim["from"] === "rebuild") return aim["from"];
  const found = ["", ...databases.map((database) => `${database}.`)].flatMap((prefix) => {
    const cluster = outputs[`${prefix}fork`];
    // A backup of ours may have been chosen, too, for when the service is of no use.
    if (outputs[`${prefix}source`] !== "provider" || cluster === undefined)
      return outputs[`${prefix}backup`] ?? [];
    return `cluster ${cluster} as of ${outputs[`${prefix}snapshotAt`] ?? outputs[`${prefix}moments`]}`;
  });
  return found.length === 0 ? null : found.join(", ");
}
