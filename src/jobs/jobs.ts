import { basename } from "node:path";
import type { JobDetailsJson, JobEvent, JobJson, JobsJson, WhichJobs } from "../api/contract/jobs.ts";
import { type JobEnd, killGroup, livingJobs, markOf } from "../daemon/job-process.ts";
import type { DaemonJob } from "../daemon/daemon.ts";
import { AppError, messageOf } from "../errors.ts";
import { ErrorJson } from "../json/common.ts";
import { newRunId } from "../repository/runs.ts";
import { jobCommand } from "../operations/schedule/jobs.ts";
import { endAsSaid, lastWritten, tailOf } from "./job-end.ts";
import { readEvents } from "./job-events.ts";
import { type EndFile, type JobFile, JobFolder, jobsIn, sizeOf } from "./job-folder.ts";
import { hearJob, type JobsProcess, spawnJob, type Spawned } from "./job-run.ts";

/** What a job is to do. */
export type AskedJob = Omit<JobFile, "id" | "startedAt">;

interface JobsSettings extends JobsProcess {
  /** Hears of each job that its process has ended, before anybody can learn how. */
  readonly onGone: () => void;
  /** Hears that a job has ended that nobody here waits for. */
  readonly onEnd: () => void;
}

// More at once would only be in each other's way.
const MOST_RUNNING = 8;
// Of those that have ended.
const MOST_KEPT = 200;
const MOST_ROOM = 256 * 1024 * 1024;
// How often one looks for what a process has written, and whether one that another daemon started still runs.
const LOOK_MS = 150;
const LOOK_ADOPTED_MS = 1000;
// What the program of a job does after it was told to stop is its own; then it is ended.
const GRACE_MS = 30_000;

interface Running {
  readonly job: JobFile;
  readonly stop: AbortController;
  cancelledBy: string | null;
  /** Its process has ended: from then on it keeps nobody from its databases, also before it is written down how. */
  isGone: boolean;
  ended: Promise<unknown>;
}

/** Who asks for what is scheduled. */
const SCHEDULE = "the schedule";

/**
 * What a daemon does, asked by people or by its schedule. Each job is a process of our own program that writes into files, so it goes on when the daemon is
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
    const alive = await livingJobs();
    // Where they cannot be read none is taken over; that must keep no backup from its time.
    for (const id of await jobsIn(settings.folder).catch(() => [])) {
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
    const found = [...this.#running.values()].find(
      ({ job, isGone }) => !isGone && job.occupies.includes(database),
    );
    return found && `${found.job.kind} ${found.job.id}, by ${found.job.by}`;
  }

  /**
   * Fails with `job_running` where the database, or everybody, is busy, and with `tool_failed` where it cannot be started.
   * @param input what its process reads; it is kept nowhere
   */
  async start(asked: AskedJob, input?: string): Promise<JobJson> {
    const { clock, folder } = this.#settings;
    const what = `start ${asked.kind}${asked.database === null ? "" : ` of ${asked.database}`}`;
    for (const database of asked.occupies) {
      const busy = this.busyWith(database);
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
    const { made } = this.#run(
      job,
      new AbortController(),
      async (stop) => await spawnJob(this.#settings, job, stop, { input }),
    );
    await made;
    await this.#forgetOld();
    return await this.#describe(job, await new JobFolder(folder, job.id).end());
  }

  /**
   * Does what a schedule wants, whatever else runs: that nothing is done with the database at the same time is for the caller to see to,
   * and it is taken before anything is waited for. Fails with `tool_failed` when it cannot be started. Where what it says cannot be kept,
   * it runs all the same, and says so.
   * @param strategyPath absolute
   * @param onLine hears what is wrong, and what came of it
   */
  async runScheduled(
    strategyPath: string,
    { database, operation, entry, scenario, deadlineMs }: DaemonJob,
    onLine: (line: string) => void,
    signal: AbortSignal,
  ): Promise<JobEnd> {
    signal.throwIfAborted();
    const { clock, folder } = this.#settings;
    const job: JobFile = {
      id: newRunId(clock),
      kind: operation,
      database,
      options: { ...(entry === null ? {} : { entry }), ...(scenario === undefined ? {} : { scenario }) },
      command: jobCommand({ database, operation, entry, scenario }),
      by: SCHEDULE,
      occupies: [database],
      startedAt: clock.now().toISOString(),
      deadlineMs,
    };
    const stop = new AbortController();
    const onAbort = (): void => stop.abort(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    const mark = markOf(strategyPath, { database, operation, entry });
    const { made, ended } = this.#run(
      job,
      stop,
      async (stopped) => await spawnJob(this.#settings, job, stopped, { scheduled: { mark, onLine } }),
      true,
    );
    try {
      await made;
      await this.#forgetOld().catch((error: unknown) => onLine(`warning: ${messageOf(error)}`));
      await hearJob(this.#settings, job, onLine, ended);
      const end = await new JobFolder(folder, job.id).end().catch(() => undefined);
      return { ...(await ended), error: end?.error ?? undefined };
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  /** Newest first. */
  async list({ database, state, last, before }: WhichJobs): Promise<JobsJson> {
    const { folder } = this.#settings;
    const found: JobJson[] = [];
    // Who asks for what runs asks often.
    const ids = state === "running" ? [...this.#running.keys()].toSorted() : await jobsIn(folder);
    for (const id of ids.toReversed()) {
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
    work: (stop: AbortSignal) => Promise<Spawned>,
    isAwaited = false,
  ): { readonly made: Promise<void>; readonly ended: Promise<JobEnd> } {
    const begun = work(stop.signal);
    const running: Running = { job, stop, cancelledBy: null, isGone: false, ended: Promise.resolve() };
    const ended = (async () => {
      let end: JobEnd;
      let isKept = true;
      try {
        const spawned = await begun;
        ({ isKept } = spawned);
        end = await spawned.ended;
      } catch (error) {
        end = { outcome: "failed", how: messageOf(error) };
      }
      running.isGone = true;
      this.#settings.onGone();
      try {
        if (isKept) await this.#settle(job, running.cancelledBy, end);
      } catch (error) {
        // Whoever waits for it learns how it ended.
        if (!isAwaited) throw error;
      } finally {
        this.#running.delete(job.id);
        if (!isAwaited) this.#settings.onEnd();
      }
      return end;
    })();
    running.ended = ended;
    // It is looked at again where somebody waits for it.
    ended.catch(() => undefined);
    this.#running.set(job.id, running);
    return { made: begun.then(() => undefined), ended };
  }

  /** One that another daemon started, and that still runs. */
  #adopt(job: JobFile, pid: number): void {
    const never = new AbortController();
    const ended = async (stop: AbortSignal): Promise<JobEnd> => {
      const onAbort = (): void => killGroup(pid, "SIGTERM");
      stop.addEventListener("abort", onAbort, { once: true });
      let told: number | undefined;
      while ((await livingJobs()).has(job.id)) {
        if (stop.aborted) told ??= performance.now();
        if (told !== undefined && performance.now() - told > GRACE_MS) killGroup(pid, "SIGKILL");
        await this.#pause(stop.aborted ? LOOK_MS : LOOK_ADOPTED_MS, told === undefined ? stop : never.signal);
      }
      return await endAsSaid(this.#settings.folder, job);
    };
    this.#run(job, new AbortController(), (stop) => Promise.resolve({ ended: ended(stop), isKept: true }));
  }

  /** Writes down how it ended. */
  async #settle(job: JobFile, cancelledBy: string | null, seen: JobEnd | undefined): Promise<void> {
    const folder = new JobFolder(this.#settings.folder, job.id);
    const { outcome, how } = seen ?? (await endAsSaid(this.#settings.folder, job));
    const { progress, error, endedAt } = await tailOf(this.#settings.folder, job);
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
          ? (endedAt ?? (await lastWritten(this.#settings.folder, job)))
          : this.#settings.clock.now().toISOString(),
    };
    await folder.writeEnd(file);
  }

  async #describe(job: JobFile, end: EndFile | undefined): Promise<JobJson> {
    const { deadlineMs: _deadline, occupies: _occupies, ...asked } = job;
    if (end !== undefined) {
      const durationMs = Math.max(0, Date.parse(end.endedAt) - Date.parse(job.startedAt));
      return { ...asked, ...end, durationMs };
    }
    const { progress } = await tailOf(this.#settings.folder, job);
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
    let room = 0;
    for (const [at, id] of ended.toReversed().entries()) {
      const one = new JobFolder(folder, id);
      room += await one.room();
      if (at >= MOST_KEPT || (at > 0 && room > MOST_ROOM)) await one.remove();
    }
  }

  async #pause(ms: number, signal: AbortSignal): Promise<void> {
    await this.#settings.clock.wait(ms, signal).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
  }
}
