import type { ChildProcess } from "node:child_process";
import { createHash } from "node:crypto";
import { AppError, errorCode, messageOf, DEGRADED_EXIT, ERRORS } from "../errors.ts";
import { withVariable } from "../lib/living-processes.ts";
import type { Job } from "../operations/schedule/jobs.ts";

/** How a job is started. All paths are absolute. */
export interface JobProgram {
  readonly node: string;
  readonly program: string;
  readonly strategyPath: string;
  readonly cwd: string;
}

/** How a job ended. */
export interface JobEnd {
  readonly outcome: "done" | "degraded" | "failed" | "interrupted";
  /** Exit code or signal, in words. */
  readonly how: string;
  /** The error it ended with, as far as it said one. */
  readonly error?: { readonly message: string; readonly hint: string | null } | undefined;
}

type Subject = Pick<Job, "database" | "operation" | "entry">;

/**
 * In the environment of a job: its id, and, of one that is scheduled, a mark of what it does. What it starts may outlive it, and must
 * not have it.
 */
export const JOB_MARK = "HANDLED_JOB";
// What is stopped tidies up: drops what it made, says how it ended. Then it is ended.
const GRACE_MS = 30_000;
// A job stops itself at its deadline; one that hangs does not.
const DEADLINE_GRACE_MS = 60_000;

/**
 * Waits for a job's process, a group of its own: what it takes of memory goes with it, and it survives this process. Aborting the signal
 * stops it; one that does not stop, or is over its deadline, is killed with whatever it has started. Fails with `tool_failed` when it could
 * not be started.
 */
export async function endOfJob(
  child: ChildProcess,
  deadlineMs: number,
  signal: AbortSignal,
): Promise<JobEnd> {
  const kill = (name: NodeJS.Signals): void => {
    if (name === "SIGTERM") child.kill(name);
    else if (child.pid !== undefined) killGroup(child.pid, name);
  };
  let last: NodeJS.Timeout | undefined;
  const late = setTimeout(() => kill("SIGKILL"), deadlineMs + DEADLINE_GRACE_MS);
  const onAbort = (): void => {
    kill("SIGTERM");
    last = setTimeout(() => kill("SIGKILL"), GRACE_MS);
  };
  if (signal.aborted) onAbort();
  else signal.addEventListener("abort", onAbort, { once: true });
  try {
    const end = await new Promise<{ code: number | null; name: NodeJS.Signals | null }>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code, name) => resolve({ code, name }));
    });
    return { outcome: outcomeOf(end.code), how: end.name ?? `exit code ${end.code}` };
  } catch (cause) {
    throw new AppError("tool_failed", `start ${child.spawnfile}: ${messageOf(cause)}`, { cause });
  } finally {
    clearTimeout(late);
    clearTimeout(last);
    signal.removeEventListener("abort", onAbort);
  }
}

/**
 * Whether a daemon that may be gone has started the job on this machine, and it still runs: from the moment it is there,
 * though a run is recorded a while after it began, and the first of a database not before its end. False where there is no `/proc`.
 */
export async function isJobRunning(strategyPath: string, job: Subject): Promise<boolean> {
  const mark = markOf(strategyPath, job);
  return (await withVariable(JOB_MARK)).some(({ value }) => value.split(" ")[1] === mark);
}

/** Of the processes of jobs that live: whose they are, and their numbers. */
export async function livingJobs(): Promise<ReadonlyMap<string, number>> {
  return new Map((await withVariable(JOB_MARK)).map(({ pid, value }) => [value.split(" ")[0] ?? "", pid]));
}

/** What is the same for all runs of what a schedule of a strategy wants. */
export function markOf(strategyPath: string, { database, operation, entry }: Subject): string {
  return createHash("sha256")
    .update(JSON.stringify([strategyPath, database, operation, entry]))
    .digest("hex");
}

/** Signals a process and all that is in its group. */
export function killGroup(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(-pid, name);
  } catch (error) {
    // All of it has ended meanwhile.
    if (errorCode(error) !== "ESRCH") throw error;
  }
}

/** What an exit code of ours means; null: a signal ended it. */
export function outcomeOf(code: number | null): JobEnd["outcome"] {
  if (code === null || code === ERRORS.interrupted.exit) return "interrupted";
  if (code === 0) return "done";
  return code === DEGRADED_EXIT ? "degraded" : "failed";
}
