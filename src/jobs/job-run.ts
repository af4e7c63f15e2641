import { spawn } from "node:child_process";
import { type FileHandle, open } from "node:fs/promises";
import { BY_DAEMON } from "../config/load.ts";
import { endOfJob, JOB_MARK, type JobEnd, type JobProgram } from "../daemon/job-process.ts";
import { messageOf } from "../errors.ts";
import type { Clock } from "../lib/clock.ts";
import { logLines, readEvents } from "./job-events.ts";
import { type JobFile, JobFolder } from "./job-folder.ts";

/** What the process of a job needs. */
export interface JobsProcess {
  readonly clock: Clock;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where the jobs are kept. */
  readonly folder: string;
  readonly program: JobProgram;
}

export interface Spawned {
  readonly ended: Promise<JobEnd>;
  /** Whether what it says is. */
  readonly isKept: boolean;
}

// For a log that is often enough.
const LOOK_MS = 1000;

/**
 * Starts the process of a job, which writes into its folder itself. Fails where that cannot be made; what comes of the process
 * `ended` says.
 * @param input what it reads from its standard input
 * @param scheduled runs also where what it says cannot be kept: `onLine` hears that; `mark` tells runs of the same from others
 */
export async function spawnJob(
  { env, folder, program }: JobsProcess,
  job: JobFile,
  stop: AbortSignal,
  {
    input,
    scheduled,
  }: {
    readonly input?: string | undefined;
    readonly scheduled?: { readonly mark: string; readonly onLine: (line: string) => void };
  },
): Promise<Spawned> {
  await using files = await openFiles(folder, job).catch((error: unknown) => {
    if (scheduled === undefined) throw error;
    scheduled.onLine(`warning: what it says is not kept: ${messageOf(error)}`);
    return undefined;
  });
  const globals = ["--json", "--progress=json", "--no-color", `--config=${program.strategyPath}`];
  const child = spawn(
    program.node,
    [program.program, ...globals, `--deadline=${job.deadlineMs / 1000}s`, ...job.command],
    {
      cwd: program.cwd,
      env: {
        ...env,
        [JOB_MARK]: scheduled === undefined ? job.id : `${job.id} ${scheduled.mark}`,
        [BY_DAEMON]: "1",
      },
      stdio: [input === undefined ? "ignore" : "pipe", files?.out.fd ?? "ignore", files?.err.fd ?? "ignore"],
      // Ctrl-C is for us; it is told once, by us. And with its group goes what it has started.
      detached: true,
    },
  );
  // One that ends before it has read it says why itself.
  child.stdin?.on("error", () => undefined).end(input);
  return { ended: endOfJob(child, job.deadlineMs, stop), isKept: files !== undefined };
}

/** Makes its folder, with what it is to write into. */
async function openFiles(
  all: string,
  job: JobFile,
): Promise<{ readonly out: FileHandle; readonly err: FileHandle } & AsyncDisposable> {
  const folder = new JobFolder(all, job.id);
  await folder.create(job);
  const out = await open(folder.stdout, "wx", 0o600);
  // Its process reads there as well, to keep no more than the two ends of it.
  const err = await open(folder.stderr, "wx+", 0o600);
  return {
    out,
    err,
    [Symbol.asyncDispose]: async () => {
      await out.close();
      await err.close();
    },
  };
}

/** Tells what a job says that belongs into a log, until it has ended. What cannot be read is told there, too. */
export async function hearJob(
  { clock, folder }: JobsProcess,
  { id, startedAt }: JobFile,
  onLine: (line: string) => void,
  ended: Promise<unknown>,
): Promise<void> {
  const { stderr } = new JobFolder(folder, id);
  const over = new AbortController();
  const end = (): void => over.abort();
  ended.then(end, end);
  let offset = 0;
  try {
    for (;;) {
      const isOver = over.signal.aborted;
      const heard = await readEvents(stderr, offset, { began: startedAt, isOver });
      for (const line of heard.events.flatMap(logLines)) onLine(line);
      const isMore = heard.offset > offset;
      ({ offset } = heard);
      if (isMore) continue;
      if (isOver) return;
      await clock.wait(LOOK_MS, over.signal).catch((error: unknown) => {
        if (!over.signal.aborted) throw error;
      });
    }
  } catch (error) {
    onLine(`warning: what it says is not heard: ${messageOf(error)}`);
  }
}
