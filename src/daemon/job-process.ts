import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { STRATEGY_TOLD } from "../config/load.ts";
import { AppError, errorCode, messageOf, DEGRADED_EXIT, ERRORS } from "../errors.ts";
import { withVariable } from "../lib/living-processes.ts";
import type { Runtime } from "../lib/runtime.ts";
import { type Job, jobArguments } from "../operations/schedule/jobs.ts";

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

/** In the environment of a job: which it is. What it starts may outlive it, and must not have it. */
export const JOB_MARK = "HANDLED_JOB";
// What is stopped tidies up: drops what it made, says how it ended. Then it is ended.
const GRACE_MS = 30_000;
// A job stops itself at its deadline; one that hangs does not.
const DEADLINE_GRACE_MS = 60_000;

/**
 * Does a job by a process of its own, the same that cron would start: what it takes of memory goes with it, and it survives
 * this process. Aborting the signal stops it; one that does not stop is killed, and with it whatever it has started. Fails
 * with `tool_failed` when it cannot be started.
 * @param onLine hears what it says
 */
export async function runJobProcess(
  { env }: Runtime,
  job: Job & { readonly deadlineMs: number },
  { node, program, strategyPath, cwd }: JobProgram,
  onLine: (line: string) => void,
  signal: AbortSignal,
): Promise<JobEnd> {
  signal.throwIfAborted();
  const child = spawn(node, [program, "--quiet", "--no-color", ...jobArguments(strategyPath, job)], {
    cwd,
    env: { ...env, [JOB_MARK]: markOf(strategyPath, job), [STRATEGY_TOLD]: "1" },
    stdio: ["ignore", "pipe", "pipe"],
    // Ctrl-C is for us; it is told once, by us. And with its group goes what it has started.
    detached: true,
  });
  const words = new LastWords();
  const hear = (line: string): void => {
    words.hear(line);
    onLine(line);
  };
  const heard = Promise.all([hearLines(child.stdout, hear), hearLines(child.stderr, hear)]);
  const end = await endOfJob(child, job.deadlineMs, heard, signal);
  return { ...end, error: words.error };
}

/**
 * Waits for a job's process, a group of its own. Aborting the signal stops it; one that does not stop, or is over its deadline, is killed with
 * whatever it has started. Fails with `tool_failed` when it could not be started.
 * @param heard until when there is something to hear of it
 */
export async function endOfJob(
  child: ChildProcess,
  deadlineMs: number,
  heard: Promise<unknown>,
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
    const [end] = await Promise.all([
      new Promise<{ code: number | null; name: NodeJS.Signals | null }>((resolve, reject) => {
        child.once("error", reject);
        child.once("close", (code, name) => resolve({ code, name }));
      }),
      heard,
    ]);
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
  return (await withVariable(JOB_MARK)).some(({ value }) => value === mark);
}

function markOf(strategyPath: string, { database, operation, entry }: Subject): string {
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

async function hearLines(stream: Readable, onLine: (line: string) => void): Promise<void> {
  for await (const line of createInterface({ input: stream })) onLine(line);
}

const ERROR = "handled: ";
const HINT = "hint: ";

/** The last error among the lines of a command, as `handled` writes them. */
class LastWords {
  error: JobEnd["error"];

  hear(line: string): void {
    if (line.startsWith(ERROR)) this.error = { message: line.slice(ERROR.length), hint: null };
    else if (line.startsWith(HINT) && this.error !== undefined)
      this.error = { ...this.error, hint: line.slice(HINT.length) };
  }
}

/** What an exit code of ours means; null: a signal ended it. */
export function outcomeOf(code: number | null): JobEnd["outcome"] {
  if (code === null || code === ERRORS.interrupted.exit) return "interrupted";
  if (code === 0) return "done";
  return code === DEGRADED_EXIT ? "degraded" : "failed";
}
