import { Worker } from "node:worker_threads";
import { AppError, messageOf } from "../../errors.ts";
import type { Observer } from "../../lib/runtime.ts";
import type { PartRef } from "../../repository/stored-parts.ts";
import { countObserved, errorOfThread, makeObserved } from "./threads.ts";
import type { CopyJob, CopyOutcome, CopyWorkerData, MainMessage, WorkerMessage } from "./worker-messages.ts";

export interface PoolCallbacks {
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

/** Worker threads that copy ranges; each has a connection and does all the work on its rows. */
export interface CopyPool extends AsyncDisposable {
  /**
   * Gives jobs out, in their order, as threads become free; `finished` gets each outcome and is waited for. Returns when
   * all are done. The first failure ends all threads and is thrown; so does aborting the signal.
   */
  run(jobs: Jobs, finished: (job: CopyJob, outcome: CopyOutcome) => Promise<void>): Promise<void>;
}

/** Starts the threads; they connect at once. */
export function startCopyPool(
  threads: number,
  data: Omit<CopyWorkerData, "observed">,
  callbacks: PoolCallbacks,
  signal: AbortSignal,
): CopyPool {
  const failed = new AbortController();
  const stop = AbortSignal.any([signal, failed.signal]);
  const workers = Array.from({ length: threads }, () => new CopyThread(data, callbacks, stop));
  return {
    async run(jobs, finished) {
      const ends = await Promise.allSettled(
        workers.map(async (worker) => {
          try {
            await worker.ready;
            // One generator for all: each takes the next job that nobody has.
            for (;;) {
              stop.throwIfAborted();
              const next = await jobs.next();
              if (next.done === true) return;
              await finished(next.value, await worker.run(next.value));
            }
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
      await Promise.all(workers.map((worker) => worker.end()));
    },
  };
}

// In a checkout the sources run; the published package has what was built from them.
const WORKER_FILE = new URL(
  import.meta.url.endsWith(".ts") ? "./copy-worker.ts" : "./copy-worker.js",
  import.meta.url,
);
// Rows pass through native memory; what the young generation has beyond this is garbage that nobody collects.
const YOUNG_MB = 24;

class CopyThread {
  /** Settled when it is connected, or could not be. */
  readonly ready: Promise<void>;
  readonly #worker: Worker;
  readonly #exited: Promise<void>;
  readonly #stop: () => void;
  readonly #signal: AbortSignal;
  #settle: { resolve: (outcome: CopyOutcome) => void; reject: (error: unknown) => void } | undefined;

  constructor(data: Omit<CopyWorkerData, "observed">, callbacks: PoolCallbacks, signal: AbortSignal) {
    const observed = makeObserved(callbacks.observer);
    const workerData: CopyWorkerData = { ...data, observed };
    const worker = new Worker(WORKER_FILE, {
      workerData,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB },
    });
    this.#worker = worker;
    this.#signal = signal;
    this.#stop = () => void worker.terminate();
    signal.addEventListener("abort", this.#stop, { once: true });
    const started = Promise.withResolvers<void>();
    this.ready = started.promise;
    // Whoever never waits for it must not be told by the process that nobody did.
    this.ready.catch(() => undefined);
    const fail = (error: unknown): void => {
      started.reject(error);
      this.#settle?.reject(error);
    };
    worker.on("message", (message: WorkerMessage) => {
      switch (message.kind) {
        case "ready":
          started.resolve();
          break;
        case "observed":
          callbacks.observer(message.phase, message.operation);
          countObserved(observed);
          break;
        case "made":
          callbacks.progress(message.bytes);
          this.#post({ kind: "answer", known: callbacks.known(message.textHash) ?? null });
          break;
        case "done":
          this.#settle?.resolve(message.outcome);
          break;
        case "failed":
          fail(errorOfThread(message.error));
          break;
      }
    });
    worker.once("error", (cause) => {
      fail(new AppError("unexpected", `copy tables: a worker broke: ${messageOf(cause)}`, { cause }));
    });
    this.#exited = new Promise((resolve) => {
      worker.once("exit", () => {
        signal.removeEventListener("abort", this.#stop);
        fail(
          signal.aborted
            ? signal.reason
            : new AppError("unexpected", "copy tables: a worker ended before its work was done"),
        );
        resolve();
      });
    });
  }

  async run(job: CopyJob): Promise<CopyOutcome> {
    this.#signal.throwIfAborted();
    const outcome = new Promise<CopyOutcome>((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    this.#post({ kind: "job", job });
    return await outcome;
  }

  /** Lets it end by itself when it is idle, and ends it when it is not. */
  async end(): Promise<void> {
    this.#settle = undefined;
    if (!this.#signal.aborted) this.#post({ kind: "end" });
    await this.#exited;
  }

  #post(message: MainMessage): void {
    this.#worker.postMessage(message);
  }
}
