import { Worker } from "node:worker_threads";
import { AppError, messageOf } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import type { LaneConnection } from "./load-lane.ts";
import type { LoadMainMessage, LoadWorkerData, LoadWorkerMessage } from "./load-messages.ts";
import type { PartSource } from "./load-text.ts";
import { countObserved, errorOfThread, makeObserved } from "./threads.ts";

// In a checkout the sources run; the published package has what was built from them.
const WORKER_FILE = new URL(
  import.meta.url.endsWith(".ts") ? "./load-worker.ts" : "./load-worker.js",
  import.meta.url,
);
// Rows pass through native memory; what the young generation has beyond this is garbage that nobody collects.
const YOUNG_MB = 24;
// A thread that was told to stop cancels what the server does for it; one that hangs must not keep us from ending.
const GRACE_MS = 3000;

/** A connection in a thread of its own, which does all the work on the rows that go through it. */
export interface ThreadConnection extends LaneConnection, AsyncDisposable {}

/** Starts a thread, and returns when it is connected. Aborting the signal ends it, and what the server does for it. */
export async function connectInThread(
  runtime: Runtime,
  data: Omit<LoadWorkerData, "observed" | "env">,
  signal: AbortSignal,
): Promise<ThreadConnection> {
  signal.throwIfAborted();
  const thread = new LoadThread(runtime, data, signal);
  await thread.ready;
  return thread;
}

class LoadThread implements ThreadConnection {
  readonly session = null;
  readonly ready: Promise<void>;
  readonly #worker: Worker;
  readonly #exited: Promise<void>;
  readonly #signal: AbortSignal;
  #reply: PromiseWithResolvers<void>;
  #source: PartSource | undefined;

  constructor(runtime: Runtime, data: Omit<LoadWorkerData, "observed" | "env">, signal: AbortSignal) {
    const observed = makeObserved(runtime.observer);
    const workerData: LoadWorkerData = { ...data, env: runtime.env, observed };
    const worker = new Worker(WORKER_FILE, {
      workerData,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB },
    });
    this.#worker = worker;
    this.#signal = signal;
    this.#reply = this.#expect();
    this.ready = this.#reply.promise;
    let timer: NodeJS.Timeout | undefined;
    const onAbort = (): void => {
      this.#post({ kind: "abort" });
      timer = setTimeout(() => void worker.terminate(), GRACE_MS);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    worker.on("message", (message: LoadWorkerMessage) => {
      if (message.kind === "observed") {
        runtime.observer(message.phase, message.operation);
        countObserved(observed);
      } else {
        this.#hear(message);
      }
    });
    worker.once("error", (cause) => {
      this.#reply.reject(
        new AppError("unexpected", `load rows: a thread broke: ${messageOf(cause)}`, { cause }),
      );
    });
    this.#exited = new Promise((resolve) => {
      worker.once("exit", () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", onAbort);
        this.#reply.reject(new AppError("unexpected", "load rows: a thread ended before its work was done"));
        resolve();
      });
    });
  }

  async run(statements: readonly string[]): Promise<void> {
    await this.#ask({ kind: "run", statements });
  }

  async copyIn(sql: string, source: PartSource): Promise<void> {
    this.#source = source;
    await this.#ask({ kind: "copy", sql });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#post({ kind: "end" });
    await this.#exited;
  }

  #hear(message: Exclude<LoadWorkerMessage, { kind: "observed" }>): void {
    switch (message.kind) {
      case "ready":
      case "done":
        this.#reply.resolve();
        break;
      case "told":
        this.#source?.told(message.bytes);
        break;
      case "next":
        void this.#answer();
        break;
      case "failed":
        this.#reply.reject(this.#signal.aborted ? this.#signal.reason : errorOfThread(message.error));
        break;
    }
  }

  async #answer(): Promise<void> {
    try {
      this.#post({ kind: "part", part: (await this.#source?.next()) ?? null });
    } catch (error) {
      // The COPY has to fail as well, whose end somebody waits for.
      this.#reply.reject(error);
      this.#post({ kind: "abort" });
    }
  }

  async #ask(message: LoadMainMessage): Promise<void> {
    this.#signal.throwIfAborted();
    this.#reply = this.#expect();
    this.#post(message);
    await this.#reply.promise;
  }

  #expect(): PromiseWithResolvers<void> {
    const reply = Promise.withResolvers<void>();
    // A thread may fail while nobody waits for it; the next question meets an ended one.
    reply.promise.catch(() => undefined);
    return reply;
  }

  #post(message: LoadMainMessage): void {
    this.#worker.postMessage(message);
  }
}
