import type { Strategy } from "../config/strategy.ts";
import { type AppError, inOperation, isAppError, messageOf } from "../errors.ts";
import type { Clock } from "../lib/clock.ts";
import { type Job, scheduledJobs } from "../operations/schedule/jobs.ts";
import { type Due, nextDue, type PastRun } from "./due.ts";
import type { JobEnd } from "./job-process.ts";

/** A job, with how long it may take. */
export type DaemonJob = Job & { readonly deadlineMs: number };

/** What happens, for whoever keeps a log of it. */
export type DaemonEvent =
  | { readonly kind: "reloaded"; readonly strategy: Strategy; readonly first: boolean }
  | { readonly kind: "strategy broken"; readonly error: AppError }
  | { readonly kind: "history unread"; readonly database: string; readonly error: AppError }
  | { readonly kind: "job started"; readonly job: DaemonJob; readonly due: Due }
  | { readonly kind: "job line"; readonly job: DaemonJob; readonly line: string }
  | { readonly kind: "job ended"; readonly job: DaemonJob; readonly end: JobEnd; readonly tookMs: number }
  | { readonly kind: "told"; readonly messages: number }
  | { readonly kind: "not told"; readonly error: AppError }
  | { readonly kind: "listening"; readonly url: string }
  | { readonly kind: "set up"; readonly url: string }
  | { readonly kind: "not listening"; readonly error: AppError }
  | { readonly kind: "not answered"; readonly error: AppError }
  | { readonly kind: "stopping"; readonly running: number };

/** The strategy's file as it is now. */
interface StrategyVersion {
  /** Another one whenever the file is. */
  readonly stamp: string;
  readonly changedAt: Date;
}

/** How a job ended that was run here last. */
export interface SeenJob extends Pick<Job, "database" | "operation" | "entry"> {
  readonly startedAt: Date;
  readonly end: JobEnd;
}

/** What came of telling. */
interface AlertReport {
  readonly sent: number;
  readonly failures: readonly AppError[];
}

/** All that the daemon does to the outside. */
export interface DaemonWorld {
  readonly clock: Clock;
  /** Whether somebody has asked for something that is being done with a database. */
  readonly isTaken: (database: string) => boolean;
  /** Undefined where the file is not there, or cannot be looked at. */
  readonly version: () => Promise<StrategyVersion | undefined>;
  /** Fails with `strategy_invalid` and the like. */
  readonly load: () => Promise<Strategy>;
  /** What the repository knows of a job's runs, newest first. */
  readonly past: (strategy: Strategy, job: DaemonJob) => Promise<PastRun[]>;
  readonly run: (
    strategy: Strategy,
    job: DaemonJob,
    onLine: (line: string) => void,
    signal: AbortSignal,
  ) => Promise<JobEnd>;
  /**
   * Looks how everything is, and tells the strategy's channels; undefined where it has none.
   * @param known `broken`: what is wrong with the strategy's file, where an older one is in force; `seen`: how each job ended that
   * was run here, for what fails where nothing can be written leaves no record
   */
  readonly alert: (
    strategy: Strategy,
    known: { readonly broken: AppError | undefined; readonly seen: readonly SeenJob[] },
    signal: AbortSignal,
  ) => Promise<AlertReport | undefined>;
  /** What does not answer of servers and places, which costs little to ask. */
  readonly outages: (strategy: Strategy, signal: AbortSignal) => Promise<readonly string[]>;
  readonly tell: (event: DaemonEvent) => void;
}

// So often it looks whether the file has changed, the clock was set, or somebody else has run what is due.
const LOOK_MS = 30_000;
// What somebody else runs may end any moment, and others wait for it.
const LOOK_ELSEWHERE_MS = 5000;
// And so often, and when a job has ended, how everything is.
const ALERT_MS = 5 * 60_000;
const DEFAULT_DEADLINE_MS = 12 * 3_600_000;
// What nobody has seen the end of, and is over its deadline by this much, runs no more.
const LOST_AFTER_MS = 3_600_000;

/**
 * Runs everything that a strategy schedules, each at its time, until the signal is aborted; then it stops what runs, and
 * waits for it. Knows nothing that the repository does not know as well: started anew it goes on where it was. Fails only when
 * there is no strategy to begin with.
 */
export class Daemon {
  readonly #world: DaemonWorld;
  #strategy: Strategy | undefined;
  #broken: AppError | undefined;
  /** When it was looked last how everything is; undefined: something has happened since. */
  #alertedAt: number | undefined;
  #alerting: Promise<void> | undefined;
  #outages = NO_OUTAGES;
  #asking: Promise<void> | undefined;
  #stamp: string | undefined;
  #jobs: readonly DaemonJob[] = [];
  /** Since when the strategy has each job. */
  #since = new Map<string, Date>();
  /** What is known of each job until something happens to it. */
  readonly #known = new Map<string, Known>();
  /** What was run here; a run that failed before it began is recorded nowhere else. */
  readonly #seen = new Map<string, readonly PastRun[]>();
  readonly #last = new Map<string, SeenJob>();
  readonly #running = new Map<string, Running>();
  #wake = Promise.withResolvers<void>();

  constructor(world: DaemonWorld) {
    this.#world = world;
  }

  /** Reads the strategy again, though its file may not have changed. */
  reload(): void {
    this.#stamp = undefined;
    this.#wake.resolve();
  }

  /** Looks again at everything, for something has happened that was not begun here. */
  look(): void {
    this.#known.clear();
    this.#alertedAt = undefined;
    this.#wake.resolve();
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, tell } = this.#world;
    await this.#load(true);
    try {
      while (!signal.aborted) {
        this.#wake = Promise.withResolvers();
        const next = await this.#startDue(signal);
        if (signal.aborted) break;
        this.#askOutages(signal);
        this.#alert(signal);
        const longest = [...this.#known.values()].some(({ elsewhere }) => elsewhere)
          ? LOOK_ELSEWHERE_MS
          : LOOK_MS;
        const pause = Math.min(longest, Math.max(0, (next?.getTime() ?? Infinity) - clock.now().getTime()));
        await this.#sleep(pause, signal);
        await this.#load(false);
      }
    } finally {
      tell({ kind: "stopping", running: this.#running.size });
      const all = [...this.#running.values()];
      for (const { stop } of all) stop.abort(signal.reason);
      await Promise.all([...all.map(async ({ ended }) => await ended), this.#alerting, this.#asking]);
    }
  }

  /** Until so much time has passed, a job has ended, or somebody wants something. */
  async #sleep(ms: number, signal: AbortSignal): Promise<void> {
    const stop = new AbortController();
    const either = AbortSignal.any([signal, stop.signal]);
    await Promise.race([
      this.#wake.promise,
      this.#world.clock.wait(ms, either).catch((error: unknown) => {
        if (!either.aborted) throw error;
      }),
    ]);
    stop.abort();
  }

  /** A file that is broken or gone is told once, and the strategy stays as it was. */
  async #load(first: boolean): Promise<void> {
    const { version, load, tell, clock } = this.#world;
    const found = await version();
    const stamp = found?.stamp ?? "";
    if (stamp === this.#stamp) return;
    this.#stamp = stamp;
    try {
      const strategy = await load();
      const since = found?.changedAt ?? clock.now();
      this.#strategy = strategy;
      this.#broken = undefined;
      this.#alertedAt = undefined;
      this.#jobs = scheduledJobs(strategy).map((job) => ({
        ...job,
        deadlineMs: job.deadlineMs ?? DEFAULT_DEADLINE_MS,
      }));
      this.#since = new Map(
        this.#jobs.map((job) => {
          const key = keyOf(job);
          return [key, this.#since.get(key) ?? since];
        }),
      );
      tell({ kind: "reloaded", strategy, first });
      this.#known.clear();
    } catch (error) {
      if (first || !isAppError(error)) throw error;
      this.#broken = error;
      this.#alertedAt = undefined;
      tell({ kind: "strategy broken", error });
    }
  }

  /** Starts what is due, as far as there is room. @returns when to look again at the latest; undefined: nothing is to come */
  async #startDue(signal: AbortSignal): Promise<Date | undefined> {
    const { clock } = this.#world;
    const strategy = this.#strategy;
    if (strategy === undefined) return undefined;
    const planned: { readonly job: DaemonJob; readonly due: Due }[] = [];
    let next: Date | undefined;
    for (const job of this.#jobs) {
      if (this.#running.has(keyOf(job))) continue;
      // What somebody else runs is looked at again each time.
      if (this.#known.get(keyOf(job))?.elsewhere === true) this.#known.delete(keyOf(job));
      const due = await this.#dueOf(strategy, job);
      if (due === undefined) continue;
      if (due.at <= clock.now()) planned.push({ job, due });
      else if (next === undefined || due.at < next) next = due.at;
    }
    for (const { job } of planned.toSorted(inOrder)) {
      if (signal.aborted || this.#running.size >= strategy.daemon.jobs) break;
      if ([...this.#running.values()].some((one) => one.job.database === job.database)) continue;
      // Cron, or somebody at a terminal, may have run it meanwhile.
      this.#known.delete(keyOf(job));
      const due = await this.#dueOf(strategy, job);
      const isDue = due !== undefined && due.at <= clock.now();
      if (isDue && !this.#world.isTaken(job.database)) this.#start(strategy, job, due);
    }
    return next;
  }

  /** Looks how everything is, beside all else, when it is time. */
  #alert(signal: AbortSignal): void {
    const { clock, alert, tell } = this.#world;
    const strategy = this.#strategy;
    if (strategy === undefined || this.#alerting !== undefined) return;
    if (this.#alertedAt !== undefined && clock.monotonic() - this.#alertedAt < ALERT_MS) return;
    this.#alertedAt = clock.monotonic();
    const work = async (): Promise<void> => {
      try {
        const seen = this.#jobs.flatMap((job) => this.#last.get(keyOf(job)) ?? []);
        const report = await alert(strategy, { broken: this.#broken, seen }, signal);
        if (report !== undefined && report.sent > 0) tell({ kind: "told", messages: report.sent });
        for (const error of report?.failures ?? []) tell({ kind: "not told", error });
      } catch (error) {
        if (!signal.aborted) tell({ kind: "not told", error: inOperation("look how everything is", error) });
      }
      this.#alerting = undefined;
      // What ended meanwhile is not in what it saw.
      if (this.#alertedAt === undefined) this.#wake.resolve();
    };
    this.#alerting = work();
  }

  /**
   * Asks beside all else, when it is time, whether everything answers. What has changed, and is so when asked again, is worth a look at
   * once: a server that starts anew is away for a moment.
   */
  #askOutages(signal: AbortSignal): void {
    const { clock, outages } = this.#world;
    const strategy = this.#strategy;
    const { at } = this.#outages;
    if (strategy === undefined || this.#asking !== undefined) return;
    if (at !== undefined && clock.monotonic() - at < LOOK_MS) return;
    this.#outages = { ...this.#outages, at: clock.monotonic() };
    const work = async (): Promise<void> => {
      try {
        const found = (await outages(strategy, signal)).join();
        const { last, looked } = this.#outages;
        const isSettled = found === last && found !== looked;
        this.#outages = { ...this.#outages, last: found, looked: isSettled ? found : looked };
        if (isSettled) {
          this.#alertedAt = undefined;
          this.#wake.resolve();
        }
      } catch (error) {
        if (!signal.aborted)
          this.#world.tell({ kind: "not told", error: inOperation("ask what answers", error) });
      }
      this.#asking = undefined;
    };
    this.#asking = work();
  }

  async #dueOf(strategy: Strategy, job: DaemonJob): Promise<Due | undefined> {
    const key = keyOf(job);
    const known = this.#known.get(key);
    if (known !== undefined) return known.due;
    const now = this.#world.clock.now();
    const recorded = (await this.#readPast(strategy, job)).map((run) => asSeenNow(run, job, now));
    const seen = this.#seen.get(key) ?? [];
    const past = [...recorded, ...seen.filter((run) => !recorded.some((one) => isSame(one, run)))];
    past.sort((a, b) => b.startedAt.getTime() - a.startedAt.getTime());
    const timing = { timeZone: strategy.timeZone, ...strategy.daemon };
    const due = nextDue(job, timing, past, this.#since.get(key) ?? now, now);
    this.#known.set(key, { due, elsewhere: past[0]?.outcome === null });
    return due;
  }

  async #readPast(strategy: Strategy, job: DaemonJob): Promise<readonly PastRun[]> {
    try {
      return await this.#world.past(strategy, job);
    } catch (error) {
      if (!isAppError(error)) throw error;
      // We are about to stop.
      if (error.code === "interrupted") return [];
      // The run itself will say what is wrong with the place, and be recorded as failed where that is possible.
      this.#world.tell({ kind: "history unread", database: job.database, error });
      return [];
    }
  }

  #start(strategy: Strategy, job: DaemonJob, due: Due): void {
    const { clock, tell, run } = this.#world;
    const key = keyOf(job);
    const stop = new AbortController();
    const startedAt = clock.now();
    const started = clock.monotonic();
    tell({ kind: "job started", job, due });
    const work = async (): Promise<void> => {
      const onLine = (line: string): void => tell({ kind: "job line", job, line });
      let end: JobEnd;
      try {
        end = await run(strategy, job, onLine, stop.signal);
      } catch (error) {
        end = { outcome: "failed", how: messageOf(error) };
      }
      const finishedAt = clock.now();
      const before = this.#seen.get(key) ?? [];
      this.#seen.set(key, [{ startedAt, finishedAt, outcome: end.outcome }, ...before].slice(0, SEEN));
      this.#last.set(key, { ...job, startedAt, end });
      this.#known.delete(key);
      this.#alertedAt = undefined;
      this.#running.delete(key);
      tell({ kind: "job ended", job, end, tookMs: clock.monotonic() - started });
      this.#wake.resolve();
    };
    this.#running.set(key, { job, stop, ended: work() });
  }
}

/** Nothing asked yet. */
const NO_OUTAGES: {
  /** When it was asked, by the monotonic clock. */
  readonly at: number | undefined;
  readonly last: string;
  /** What a look was made for. */
  readonly looked: string;
} = { at: undefined, last: "", looked: "" };

// More than are ever tried again.
const SEEN = 16;

interface Known {
  readonly due: Due | undefined;
  /** Whether somebody else is at it. */
  readonly elsewhere: boolean;
}

interface Running {
  readonly job: DaemonJob;
  readonly stop: AbortController;
  readonly ended: Promise<void>;
}

function keyOf({ database, operation, entry }: Pick<Job, "database" | "operation" | "entry">): string {
  return JSON.stringify([database, operation, entry]);
}

/** First what makes backups, then what has waited longest. */
function inOrder(
  a: { readonly job: Job; readonly due: Due },
  b: { readonly job: Job; readonly due: Due },
): number {
  const rank = ({ operation }: Job): number => (operation === "backup" ? 0 : 1);
  return rank(a.job) - rank(b.job) || a.due.at.getTime() - b.due.at.getTime();
}

/** Whether a record is that of a run that was seen here: it is written a moment after the process was started. */
function isSame(recorded: PastRun, seen: PastRun): boolean {
  const at = recorded.startedAt.getTime();
  return at >= seen.startedAt.getTime() && at <= (seen.finishedAt ?? seen.startedAt).getTime();
}

/** On another machine nobody can see whether it still runs; not for ever. */
function asSeenNow(run: PastRun, job: DaemonJob, now: Date): PastRun {
  const lost = run.startedAt.getTime() + job.deadlineMs + LOST_AFTER_MS < now.getTime();
  return run.outcome === null && lost ? { ...run, outcome: "interrupted" } : run;
}
