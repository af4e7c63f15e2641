import { Worker } from "node:worker_threads";
import { AppError, messageOf } from "../../errors.ts";
import { errorOfThread } from "./threads.ts";
import type { CheckMessage, CheckOutcome, CheckTask, CheckWorkerData } from "./check-messages.ts";

/** A task, and who wants to know its outcome. */
export interface Check {
  readonly task: CheckTask;
  readonly done: (outcome: CheckOutcome) => void;
}

// In a checkout the sources run; the published package has what was built from them.
const WORKER_FILE = new URL(
  import.meta.url.endsWith(".ts") ? "./check-worker.ts" : "./check-worker.js",
  import.meta.url,
);
// Rows pass through native memory; what the young generation has beyond this is garbage that nobody collects.
const YOUNG_MB = 24;

/**
 * Runs checks in worker threads, each as a thread becomes free, and returns when all are done. The first failure ends all
 * threads and is thrown; so does aborting the signal. That a part is damaged is an outcome, not a failure.
 */
export async function runChecks(
  checks: AsyncIterable<Check>,
  threads: number,
  data: CheckWorkerData,
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted();
  const failed = new AbortController();
  const stop = AbortSignal.any([signal, failed.signal]);
  // One iterator for all threads: each takes the next check that nobody has.
  const waiting = checks[Symbol.asyncIterator]();
  await Promise.allSettled(
    Array.from({ length: threads }, async () => {
      try {
        await runThread(data, waiting, stop);
      } catch (error) {
        failed.abort(error);
      }
    }),
  );
  // Whatever the checks are made from has to be let go.
  await waiting.return?.();
  signal.throwIfAborted();
  failed.signal.throwIfAborted();
}

async function runThread(
  data: CheckWorkerData,
  waiting: AsyncIterator<Check>,
  signal: AbortSignal,
): Promise<void> {
  const worker = new Worker(WORKER_FILE, {
    workerData: data,
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB },
  });
  const end = (): void => void worker.terminate();
  signal.addEventListener("abort", end, { once: true });
  let heard = Promise.withResolvers<CheckMessage>();
  // Failures come also while nobody listens.
  heard.promise.catch(() => undefined);
  worker.on("message", (message: CheckMessage) => heard.resolve(message));
  worker.once("error", (cause) => {
    heard.reject(new AppError("unexpected", `check rows: a worker broke: ${messageOf(cause)}`, { cause }));
  });
  const exited = new Promise<void>((resolve) => {
    worker.once("exit", () => {
      heard.reject(new AppError("unexpected", "check rows: a worker ended before its work was done"));
      resolve();
    });
  });
  const hear = async (): Promise<CheckMessage> => {
    const message = await heard.promise;
    heard = Promise.withResolvers<CheckMessage>();
    heard.promise.catch(() => undefined);
    if (message.kind !== "failed") return message;
    throw errorOfThread(message.error);
  };
  try {
    await hear();
    for (;;) {
      signal.throwIfAborted();
      const next = await waiting.next();
      if (next.done === true) break;
      worker.postMessage(next.value.task);
      const message = await hear();
      if (message.kind === "done") next.value.done(message.outcome);
    }
    worker.postMessage(undefined);
    await exited;
  } catch (error) {
    await worker.terminate();
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener("abort", end);
  }
}
