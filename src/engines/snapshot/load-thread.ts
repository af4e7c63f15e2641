import type { Worker } from "node:worker_threads";
import { AppError, messageOf } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import type { HearFellBack } from "../../storage/others.ts";
import type { LaneConnection } from "./load-lane.ts";
import type { LoadCall, LoadMainMessage, LoadWorkerMessage } from "./load-messages.ts";
import type { PartSource } from "./load-text.ts";
import { leaveThread, takeThread } from "./idle-threads.ts";
import { countObserved, errorOfThread, makeObserved, type Observed } from "./threads.ts";

// In a checkout the sources run; the published package has what was built from them.
const WORKER_FILE = new URL(
  import.meta.url.endsWith(".ts") ? "./load-worker.ts" : "./load-worker.js",
  import.meta.url,
);
// A thread that was told to stop cancels what the server does for it; one that hangs must not keep us from ending.
const GRACE_MS = 3000;

/** Threads that load rows. Disposing ends their connections, and leaves them to the next restore. */
export interface LoadThreads extends AsyncDisposable {
  /** A connection in a thread of its own, which does all the work on the rows that go through it. */
  connect(
    call: Omit<LoadCall, "observed" | "env">,
    fellBack: HearFellBack | undefined,
  ): Promise<LaneConnection>;
}

/**
 * Starts so many threads; they wait for what to connect to, and more start when more are asked for. Starting one takes as
 * long as loading many rows, so it is done while definitions are restored. Aborting the signal ends them, and what the server
 * does for them.
 */
export function startLoadThreads(runtime: Runtime, count: number, signal: AbortSignal): LoadThreads {
  signal.throwIfAborted();
  const waiting = Array.from({ length: count }, () => new LoadThread(runtime, signal));
  const all = [...waiting];
  return {
    connect: async (call, fellBack) => {
      signal.throwIfAborted();
      let thread = waiting.pop();
      if (thread === undefined) all.push((thread = new LoadThread(runtime, signal)));
      await thread.connect(call, fellBack);
      return thread;
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all(all.map((thread) => thread.end()));
    },
  };
}

class LoadThread implements LaneConnection {
  readonly session = null;
  readonly #runtime: Runtime;
  readonly #observed: Observed;
  readonly #worker: Worker;
  readonly #exited: Promise<void>;
  readonly #signal: AbortSignal;
  readonly #onAbort: () => void;
  /** Settled when it has ended its connection; none before it was called. */
  #ended: PromiseWithResolvers<void> | undefined;
  #reply: PromiseWithResolvers<void>;
  #broken: AppError | undefined;
  #source: PartSource | undefined;
  #fellBack: HearFellBack | undefined;

  constructor(runtime: Runtime, signal: AbortSignal) {
    const observed = makeObserved(runtime.observer);
    const worker = takeThread(WORKER_FILE);
    this.#runtime = runtime;
    this.#observed = observed;
    this.#worker = worker;
    this.#signal = signal;
    this.#reply = this.#expect();
    let timer: NodeJS.Timeout | undefined;
    this.#onAbort = () => {
      this.#post({ kind: "abort" });
      timer = setTimeout(() => void worker.terminate(), GRACE_MS);
    };
    signal.addEventListener("abort", this.#onAbort, { once: true });
    worker.on("message", (message: LoadWorkerMessage) => {
      if (message.kind === "observed") {
        runtime.observer(message.phase, message.operation);
        countObserved(observed);
      } else {
        this.#hear(message);
      }
    });
    worker.once("error", (cause) => {
      this.#fail(new AppError("unexpected", `load rows: a thread broke: ${messageOf(cause)}`, { cause }));
    });
    this.#exited = new Promise((resolve) => {
      worker.once("exit", () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", this.#onAbort);
        this.#fail(new AppError("unexpected", "load rows: a thread ended before its work was done"));
        resolve();
      });
    });
  }

  async connect(call: Omit<LoadCall, "observed" | "env">, fellBack: HearFellBack | undefined): Promise<void> {
    this.#fellBack = fellBack;
    // A thread that broke meanwhile says so.
    const reply = this.#reply.promise;
    this.#ended = Promise.withResolvers();
    this.#post({ kind: "begin", call: { ...call, env: this.#runtime.env, observed: this.#observed } });
    await reply;
  }

  async run(statements: readonly string[]): Promise<void> {
    await this.#ask({ kind: "run", statements });
  }

  async copyIn(sql: string, source: PartSource): Promise<void> {
    this.#source = source;
    await this.#ask({ kind: "copy", sql });
  }

  /** Ends its connection. Where nothing went wrong it is left to whoever needs one next; else it ends by itself. */
  async end(): Promise<void> {
    if (this.#ended !== undefined) {
      this.#post({ kind: "end" });
      await Promise.race([this.#ended.promise, this.#exited]);
    }
    // What stops it was told to it already, whether it was at work or not.
    if (this.#broken !== undefined || this.#signal.aborted) return await this.#exited;
    this.#signal.removeEventListener("abort", this.#onAbort);
    leaveThread(WORKER_FILE, this.#worker);
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
      case "fell back":
        this.#fellBack?.({ place: message.place, to: message.to, error: errorOfThread(message.error) });
        break;
      case "next":
        void this.#answer();
        break;
      case "ended":
        this.#ended?.resolve();
        break;
      case "failed":
        this.#reply.reject(this.#signal.aborted ? this.#signal.reason : errorOfThread(message.error));
        break;
    }
  }

  async #answer(): Promise<void> {
    try {
      this.#post({ kind: "parts", parts: (await this.#source?.next()) ?? [] });
    } catch (error) {
      // The COPY has to fail as well, whose end somebody waits for.
      this.#reply.reject(error);
      this.#post({ kind: "abort" });
    }
  }

  /** It has ended, or will: nothing that it is asked from now on would be answered. */
  #fail(error: AppError): void {
    this.#broken ??= error;
    this.#reply.reject(this.#broken);
  }

  async #ask(message: LoadMainMessage): Promise<void> {
    this.#signal.throwIfAborted();
    if (this.#broken !== undefined) throw this.#broken;
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
