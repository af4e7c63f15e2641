import type { Worker } from "node:worker_threads";
import { AppError, messageOf } from "../../errors.ts";
import { InFlight } from "../../lib/in-flight.ts";
import type { Observer } from "../../lib/runtime.ts";
import type { PartRef } from "../../repository/stored-parts.ts";
import type { ReadJob } from "./copy-ranges.ts";
import { leaveThread, takeThread } from "./idle-threads.ts";
import { countObserved, errorOfThread, makeObserved, type Observed, threadsFor } from "./threads.ts";
import type { CopyCall, CopyJob, CopyOutcome, MainMessage, WorkerMessage } from "./worker-messages.ts";

interface PoolCallbacks {
  /** Looks a part up among those that a readable index names; undefined when it has to be stored. */
  readonly known: (textHash: string) => PartRef | undefined;
  /** So much COPY text more has been read. */
  readonly progress: (bytes: number) => void;
  /** Sees every operation of the threads before they go on. */
  readonly observer: Observer;
}

/** Something that gives one job after the other; asked by all threads, each gets the next. */
interface Jobs {
  next(): IteratorResult<CopyJob, unknown> | Promise<IteratorResult<CopyJob, unknown>>;
}

/** Threads at work in one snapshot; each has a connection and does all the work on its rows. Disposing sets them free. */
export interface CopyPool extends AsyncDisposable {
  /**
   * Gives jobs out, in their order, as threads become free; `finished` gets each outcome and is waited for. Returns when
   * all are done. The first failure ends all threads and is thrown; so does aborting the signal.
   */
  run(jobs: Jobs, finished: (job: CopyJob, outcome: CopyOutcome) => Promise<void>): Promise<void>;
}

/**
 * Threads that copy ranges. The first is started at once, while the server is asked what there is to copy; the others when
 * that is known to be worth it. Disposing leaves them to the next backup.
 */
export interface CopyThreads extends AsyncDisposable {
  /**
   * Sets as many to work in an exported snapshot as so many bytes are worth; they connect at once. One pool at a time; none
   * after one that failed.
   */
  open(
    call: Omit<CopyCall, "observed">,
    bytes: number,
    callbacks: PoolCallbacks,
    signal: AbortSignal,
  ): CopyPool;
}

/** Starts threads, so many at most. */
export function startCopyThreads(most: number): CopyThreads {
  const threads = [new CopyThread()];
  return {
    open: (call, bytes, callbacks, signal) => {
      for (let missing = threadsFor(bytes, most) - threads.length; missing > 0; missing--)
        threads.push(new CopyThread());
      return openPool(threads, call, callbacks, signal);
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(threads.map((thread) => thread.close()));
    },
  };
}

function openPool(
  threads: readonly CopyThread[],
  call: Omit<CopyCall, "observed">,
  callbacks: PoolCallbacks,
  signal: AbortSignal,
): CopyPool {
  const failed = new AbortController();
  const stop = AbortSignal.any([signal, failed.signal]);
  for (const thread of threads) thread.begin(call, callbacks, stop);
  return {
    async run(jobs, finished) {
      const ends = await Promise.allSettled(
        threads.map(async (thread) => {
          const writing = new InFlight(JOBS_AHEAD);
          try {
            await thread.ready;
            // One generator for all: each takes the next job that nobody has.
            for (;;) {
              stop.throwIfAborted();
              const next = await jobs.next();
              if (next.done === true) break;
              const job = next.value;
              const { outcome } = await thread.run(job);
              // The next is read while this one's parts become durable.
              writing
                .start(async () => await finished(job, await outcome))
                .catch((error: unknown) => failed.abort(error));
              await writing.room();
            }
            await writing.idle();
          } catch (error) {
            failed.abort(error);
            throw error;
          }
        }),
      );
      signal.throwIfAborted();
      failed.signal.throwIfAborted();
      for (const end of ends) if (end.status === "rejected") throw end.reason;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(threads.map((thread) => thread.end()));
    },
  };
}

// Jobs of one thread that are read and not yet durable.
const JOBS_AHEAD = 4;

// In a checkout the sources run; the published package has what was built from them.
const WORKER_FILE = new URL(
  import.meta.url.endsWith(".ts") ? "./copy-worker.ts" : "./copy-worker.js",
  import.meta.url,
);

/** What a thread has been set to. */
interface Work {
  readonly callbacks: PoolCallbacks;
  readonly observed: Observed;
  readonly signal: AbortSignal;
  /** Settled when it is connected, or could not be. */
  readonly ready: PromiseWithResolvers<void>;
  /** Settled when it is free for other work, or has ended. */
  readonly ended: PromiseWithResolvers<void>;
}

class CopyThread {
  readonly #worker: Worker;
  readonly #exited: Promise<void>;
  readonly #stop = (): void => void this.#worker.terminate();
  /** Why it cannot work any more. */
  #broken: unknown;
  #work: Work | undefined;
  #ready = Promise.resolve();
  /** Settled when all of the job is read. */
  #read: PromiseWithResolvers<void> | undefined;
  /** Of jobs that are read or being read, by their number. */
  readonly #outcomes = new Map<number, PromiseWithResolvers<CopyOutcome>>();

  constructor() {
    const worker = takeThread(WORKER_FILE);
    this.#worker = worker;
    worker.on("message", (message: WorkerMessage) => this.#hear(message));
    worker.once("error", (cause) => {
      this.#fail(new AppError("unexpected", `copy tables: a worker broke: ${messageOf(cause)}`, { cause }));
    });
    this.#exited = new Promise((resolve) => {
      worker.once("exit", () => {
        const signal = this.#work?.signal;
        this.#fail(
          signal?.aborted === true
            ? signal.reason
            : new AppError("unexpected", "copy tables: a worker ended before its work was done"),
        );
        this.#leave();
        resolve();
      });
    });
  }

  /** Settled when it is connected, or could not be: also where it broke before it was set to anything. */
  get ready(): Promise<void> {
    return this.#ready;
  }

  begin(call: Omit<CopyCall, "observed">, callbacks: PoolCallbacks, signal: AbortSignal): void {
    const observed = makeObserved(callbacks.observer);
    const ready = Promise.withResolvers<void>();
    // Whoever never waits for it must not be told by the process that nobody did.
    ready.promise.catch(() => undefined);
    this.#ready = ready.promise;
    this.#work = { callbacks, observed, signal, ready, ended: Promise.withResolvers<void>() };
    signal.addEventListener("abort", this.#stop, { once: true });
    if (this.#broken === undefined) return this.#post({ kind: "begin", call: { ...call, observed } });
    ready.reject(this.#broken);
    this.#leave();
  }

  /** Returns when all of a job is read; its outcome comes when everything is durable. */
  async run(job: CopyJob): Promise<ReadJob> {
    this.#work?.signal.throwIfAborted();
    const outcome = Promise.withResolvers<CopyOutcome>();
    // Where the reading fails nobody gets as far as waiting for it.
    outcome.promise.catch(() => undefined);
    this.#outcomes.set(job.id, outcome);
    this.#read = Promise.withResolvers<void>();
    this.#post({ kind: "job", job });
    await this.#read.promise;
    return { outcome: outcome.promise };
  }

  /** Lets it finish what it was set to when it is idle, and ends it when it is not. */
  async end(): Promise<void> {
    const work = this.#work;
    if (work === undefined) return;
    if (!work.signal.aborted) this.#post({ kind: "end" });
    await work.ended.promise;
  }

  /** Leaves it to whoever needs one next, where it has done all that it was set to; ends it where it has not. */
  async close(): Promise<void> {
    if (this.#broken === undefined && this.#work === undefined) return leaveThread(WORKER_FILE, this.#worker);
    await this.#worker.terminate();
    await this.#exited;
  }

  #hear(message: WorkerMessage): void {
    if (message.kind === "failed") return this.#fail(errorOfThread(message.error));
    const work = this.#work;
    if (work === undefined) return;
    const { callbacks } = work;
    switch (message.kind) {
      case "ready":
        work.ready.resolve();
        break;
      case "observed":
        callbacks.observer(message.phase, message.operation);
        countObserved(work.observed);
        break;
      case "made":
        callbacks.progress(message.bytes);
        this.#post({ kind: "answer", known: callbacks.known(message.textHash) ?? null });
        break;
      case "read":
        this.#read?.resolve();
        break;
      case "done":
        this.#outcomes.get(message.job)?.resolve(message.outcome);
        this.#outcomes.delete(message.job);
        break;
      case "ended":
        this.#leave();
        break;
    }
  }

  #fail(error: unknown): void {
    this.#broken ??= error;
    this.#work?.ready.reject(error);
    this.#read?.reject(error);
    for (const outcome of this.#outcomes.values()) outcome.reject(error);
    this.#outcomes.clear();
  }

  #leave(): void {
    this.#work?.signal.removeEventListener("abort", this.#stop);
    this.#work?.ended.resolve();
    this.#work = undefined;
  }

  #post(message: MainMessage): void {
    this.#worker.postMessage(message);
  }
}
