import { spawn } from "node:child_process";
import { open, stat } from "node:fs/promises";
import { basename } from "node:path";
import type { JobDetailsJson, JobEvent, JobJson, JobsJson, WhichJobs } from "../api/contract/jobs.ts";
import {
  endOfJob,
  JOB_MARK,
  type JobEnd,
  type JobProgram,
  killGroup,
  outcomeOf,
} from "../daemon/job-process.ts";
import { AppError, messageOf } from "../errors.ts";
import { ErrorJson } from "../json/common.ts";
import type { Clock } from "../lib/clock.ts";
import { withVariable } from "../lib/living-processes.ts";
import { newRunId } from "../repository/runs.ts";
import { lastSaid, readEvents } from "./job-events.ts";
import { type EndFile, type JobFile, JobFolder, jobsIn, sizeOf } from "./job-folder.ts";

/** What a job is to do. */
export type AskedJob = Omit<JobFile, "id" | "startedAt">;

export interface JobsSettings {
  readonly clock: Clock;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where the jobs are kept. */
  readonly folder: string;
  readonly program: JobProgram;
  /** What else is being done with a database, in words; undefined where nothing is. */
  readonly elsewhere: (database: string) => string | undefined;
  /** Hears that a job has ended. */
  readonly onEnd: () => void;
}

// More at once would only be in each other's way.
const MOST_RUNNING = 8;
// Of those that have ended.
const MOST_KEPT = 200;
const TAIL = 64 * 1024;
// How often one looks for what a process has written, and whether one that another daemon started still runs.
const LOOK_MS = 150;
const LOOK_ADOPTED_MS = 1000;
// What the program of a job does after it was told to stop is its own; then it is ended.
const GRACE_MS = 30_000;

interface Running {
  readonly job: JobFile;
  readonly stop: AbortController;
  cancelledBy: string | null;
  ended: Promise<void>;
}

/**
 * The jobs that people ask a daemon for. Each is a process of our own program that writes into files, so it goes on when the daemon is
 * killed, and the next daemon finds it and all that it said.
 */
export class Jobs implements AsyncDisposable {
  readonly #settings: JobsSettings;
  readonly #running = new Map<string, Running>();

  private constructor(settings: JobsSettings) {
    this.#settings = settings;
  }

  /** Takes over what an earlier daemon has left. */
  static async open(settings: JobsSettings): Promise<Jobs> {
    const jobs = new Jobs(settings);
    const alive = new Map((await withVariable(JOB_MARK)).map(({ pid, value }) => [value, pid]));
    for (const id of await jobsIn(settings.folder)) {
      const folder = new JobFolder(settings.folder, id);
      const [job, end] = [await folder.read(), await folder.end()];
      if (job === undefined || end !== undefined) continue;
      const pid = alive.get(id);
      if (pid === undefined) await jobs.#settle(job, null, undefined);
      else jobs.#adopt(job, pid);
    }
    return jobs;
  }

  /** What is being done with a database, in words; undefined where nothing is. */
  busyWith(database: string): string | undefined {
    const found = [...this.#running.values()].find(({ job }) => job.occupies.includes(database));
    return found && `${found.job.kind} ${found.job.id}, asked for by ${found.job.by}`;
  }

  /** Fails with `job_running` where the database, or everybody, is busy, and with `tool_failed` where it cannot be started. */
  async start(asked: AskedJob): Promise<JobJson> {
    const { clock, folder, elsewhere } = this.#settings;
    const what = `start ${asked.kind}${asked.database === null ? "" : ` of ${asked.database}`}`;
    for (const database of asked.occupies) {
      const busy = this.busyWith(database) ?? elsewhere(database);
      if (busy === undefined) continue;
      throw new AppError("job_running", `${what}: ${busy} is running`, {
        hint: "wait until it has ended, or stop it",
        details: { database },
      });
    }
    if (this.#running.size >= MOST_RUNNING) {
      throw new AppError("job_running", `${what}: ${this.#running.size} jobs are running`, {
        hint: "no more run at once; wait until one has ended",
      });
    }
    const job: JobFile = { ...asked, id: newRunId(clock), startedAt: clock.now().toISOString() };
    // Nothing is waited for before it is taken: two may ask at the same moment.
    const running = this.#run(job, new AbortController(), async (stop) => await this.#spawn(job, stop));
    await running.made;
    await this.#forgetOld();
    return await this.#describe(job, await new JobFolder(folder, job.id).end());
  }

  /** Newest first. */
  async list({ database, state, last, before }: WhichJobs): Promise<JobsJson> {
    const { folder } = this.#settings;
    const found: JobJson[] = [];
    for (const id of (await jobsIn(folder)).toReversed()) {
      if (before !== undefined && id >= before) continue;
      const one = new JobFolder(folder, id);
      const job = await one.read();
      if (job === undefined || (database !== undefined && job.database !== database)) continue;
      const described = await this.#describe(job, await one.end());
      if (state !== undefined && described.state !== state) continue;
      if (found.length >= last) return { jobs: found, next: found.at(-1)?.id ?? null };
      found.push(described);
    }
    return { jobs: found, next: null };
  }

  /** Fails with `job_missing`. */
  async show(id: string): Promise<JobDetailsJson> {
    const folder = new JobFolder(this.#settings.folder, id);
    const job = await this.#find(id);
    const end = await folder.end();
    return { ...(await this.#describe(job, end)), result: end === undefined ? null : await folder.result() };
  }

  /**
   * What a job says, from after an event on until it has ended, or the signal is aborted. Fails with `job_missing`.
   * @param after `seq` of the last one that was heard; -1 for all. Empty where that was the last of all
   */
  async *events(id: string, after: number, signal: AbortSignal): AsyncGenerator<JobEvent> {
    const job = await this.#find(id);
    const folder = new JobFolder(this.#settings.folder, id);
    if (after < 0) yield { seq: 0, at: job.startedAt, kind: "state", state: "running", how: null };
    let offset = Math.max(0, after);
    while (!signal.aborted) {
      // Before it is read: what is said later than this is none of it.
      const end = await folder.end();
      const last = (await sizeOf(folder.stderr)) + 1;
      if (end !== undefined && offset >= last) return;
      const heard = await readEvents(folder.stderr, offset, {
        began: job.startedAt,
        isOver: end !== undefined,
      });
      yield* heard.events;
      const isMore = heard.offset > offset;
      offset = heard.offset;
      if (isMore) continue;
      if (end !== undefined) {
        yield { seq: last, at: end.endedAt, kind: "state", state: end.state, how: end.how };
        return;
      }
      await this.#pause(LOOK_MS, signal);
    }
  }

  /** Has a job stopped, and does not wait for it; one that has ended stays as it is. Fails with `job_missing`. */
  async cancel(id: string, by: string): Promise<JobJson> {
    const job = await this.#find(id);
    const running = this.#running.get(id);
    if (running !== undefined && !running.stop.signal.aborted) {
      running.cancelledBy = by;
      running.stop.abort();
    }
    return await this.#describe(job, await new JobFolder(this.#settings.folder, id).end());
  }

  /** Stops all that run, and waits for them. */
  async [Symbol.asyncDispose](): Promise<void> {
    const all = [...this.#running.values()];
    for (const { stop } of all) stop.abort();
    await Promise.all(all.map(async ({ ended }) => await ended));
  }

  async #find(id: string): Promise<JobFile> {
    const job = await new JobFolder(this.#settings.folder, id).read();
    if (job !== undefined) return job;
    throw new AppError("job_missing", `find job ${id}: there is none`, {
      hint: `the last ${MOST_KEPT} are kept; what they did is in the history`,
    });
  }

  #run(
    job: JobFile,
    stop: AbortController,
    work: (stop: AbortSignal) => Promise<{ readonly ended: Promise<JobEnd> }>,
  ): { readonly made: Promise<void> } {
    const begun = work(stop.signal);
    const running: Running = { job, stop, cancelledBy: null, ended: Promise.resolve() };
    running.ended = (async () => {
      let end: JobEnd;
      try {
        end = await (await begun).ended;
      } catch (error) {
        end = { outcome: "failed", how: messageOf(error) };
      }
      try {
        await this.#settle(job, running.cancelledBy, end);
      } finally {
        this.#running.delete(job.id);
        this.#settings.onEnd();
      }
    })();
    // It is looked at again where somebody waits for it.
    running.ended.catch(() => undefined);
    this.#running.set(job.id, running);
    return { made: begun.then(() => undefined) };
  }

  async #spawn(job: JobFile, stop: AbortSignal): Promise<{ readonly ended: Promise<JobEnd> }> {
    const { env, program } = this.#settings;
    const folder = new JobFolder(this.#settings.folder, job.id);
    await folder.create(job);
    await using out = await open(folder.stdout, "wx", 0o600);
    await using err = await open(folder.stderr, "wx", 0o600);
    const globals = ["--json", "--progress=json", "--no-color", `--config=${program.strategyPath}`];
    const child = spawn(
      program.node,
      [program.program, ...globals, `--deadline=${job.deadlineMs / 1000}s`, ...job.command],
      {
        cwd: program.cwd,
        env: { ...env, [JOB_MARK]: job.id },
        stdio: ["ignore", out.fd, err.fd],
        detached: true,
      },
    );
    return { ended: endOfJob(child, job.deadlineMs, Promise.resolve(), stop) };
  }

  /** One that another daemon started, and that still runs. */
  #adopt(job: JobFile, pid: number): void {
    const never = new AbortController();
    const ended = async (stop: AbortSignal): Promise<JobEnd> => {
      const onAbort = (): void => killGroup(pid, "SIGTERM");
      stop.addEventListener("abort", onAbort, { once: true });
      let told: number | undefined;
      while ((await withVariable(JOB_MARK)).some(({ value }) => value === job.id)) {
        if (stop.aborted) told ??= performance.now();
        if (told !== undefined && performance.now() - told > GRACE_MS) killGroup(pid, "SIGKILL");
        await this.#pause(stop.aborted ? LOOK_MS : LOOK_ADOPTED_MS, told === undefined ? stop : never.signal);
      }
      return await this.#endAsSaid(job);
    };
    this.#run(job, new AbortController(), (stop) => Promise.resolve({ ended: ended(stop) }));
  }

  /** How one ended whom nobody has waited for: by what it said last. */
  async #endAsSaid(job: JobFile): Promise<JobEnd> {
    const { exitCode } = await this.#tail(job);
    if (exitCode === undefined) return { outcome: "interrupted", how: "nobody saw its end" };
    return { outcome: outcomeOf(exitCode), how: `exit code ${exitCode}` };
  }

  /** Writes down how it ended. */
  async #settle(job: JobFile, cancelledBy: string | null, seen: JobEnd | undefined): Promise<void> {
    const folder = new JobFolder(this.#settings.folder, job.id);
    const { outcome, how } = seen ?? (await this.#endAsSaid(job));
    const { progress, error, endedAt } = await this.#tail(job);
    const printed = ErrorJson.safeParse(await folder.result()).data?.error;
    const isBad = outcome !== "done" && outcome !== "degraded";
    const file: EndFile = {
      state: outcome,
      how,
      cancelledBy,
      progress,
      error:
        printed === undefined
          ? isBad
            ? error
            : null
          : { code: printed.code, message: printed.message, hint: printed.hint ?? null },
      endedAt:
        seen === undefined
          ? (endedAt ?? (await this.#lastWritten(job)))
          : this.#settings.clock.now().toISOString(),
    };
    await folder.writeEnd(file);
  }

  async #lastWritten({ id, startedAt }: JobFile): Promise<string> {
    const { stderr } = new JobFolder(this.#settings.folder, id);
    // It may have been killed before there was one.
    return await stat(stderr).then(
      ({ mtime }) => mtime.toISOString(),
      () => startedAt,
    );
  }

  async #tail({ id, startedAt }: JobFile): Promise<
    Pick<JobJson, "progress" | "error"> & {
      readonly exitCode?: number | undefined;
      readonly endedAt?: string | undefined;
    }
  > {
    const { stderr } = new JobFolder(this.#settings.folder, id);
    const from = Math.max(0, (await sizeOf(stderr)) - TAIL);
    const heard = await readEvents(stderr, from, { began: startedAt, isOver: true });
    return { ...lastSaid(heard.events), exitCode: heard.exitCode, endedAt: heard.endedAt };
  }

  async #describe(job: JobFile, end: EndFile | undefined): Promise<JobJson> {
    const { deadlineMs: _deadline, occupies: _occupies, ...asked } = job;
    if (end !== undefined) {
      const durationMs = Math.max(0, Date.parse(end.endedAt) - Date.parse(job.startedAt));
      return { ...asked, ...end, durationMs };
    }
    const { progress } = await this.#tail(job);
    const cancelledBy = this.#running.get(job.id)?.cancelledBy ?? null;
    return {
      ...asked,
      state: "running",
      endedAt: null,
      durationMs: null,
      how: null,
      cancelledBy,
      progress,
      error: null,
    };
  }

  async #forgetOld(): Promise<void> {
    const { folder } = this.#settings;
    const ended = (await jobsIn(folder)).filter((id) => !this.#running.has(basename(id)));
    for (const id of ended.slice(0, Math.max(0, ended.length - MOST_KEPT)))
      await new JobFolder(folder, id).remove();
  }

  async #pause(ms: number, signal: AbortSignal): Promise<void> {
    await this.#settings.clock.wait(ms, signal).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
  }
}
