import { AppError, messageOf } from "../../errors.ts";
import { leaveThread, takeThread } from "./idle-threads.ts";
import { errorOfThread } from "./threads.ts";
import type { CheckCall, CheckMainMessage, CheckMessage, CheckOutcome, CheckTask } from "./check-messages.ts";

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

/**
 * Runs checks in worker threads, each as a thread becomes free, and returns when all are done. The first failure ends all
 * threads and is thrown; so does aborting the signal. That a part is damaged is an outcome, not a failure.
 */
export async function runChecks(
  checks: AsyncIterable<Check>,
  threads: number,
  call: CheckCall,
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
        await runThread(call, waiting, stop);
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

async function runThread(call: CheckCall, waiting: AsyncIterator<Check>, signal: AbortSignal): Promise<void> {
  const worker = takeThread(WORKER_FILE);
  const post = (message: CheckMainMessage): void => worker.postMessage(message);
  const end = (): void => void worker.terminate();
  signal.addEventListener("abort", end, { once: true });
  let heard = Promise.withResolvers<CheckMessage>();
  // Failures come also while nobody listens.
  heard.promise.catch(() => undefined);
  worker.on("message", (message: CheckMessage) => heard.resolve(message));
  worker.once("error", (cause) => {
    heard.reject(new AppError("unexpected", `check rows: a worker broke: ${messageOf(cause)}`, { cause }));
  });
  worker.once("exit", () => {
    heard.reject(new AppError("unexpected", "check rows: a worker ended before its work was done"));
  });
  const hear = async (): Promise<CheckMessage> => {
    const message = await heard.promise;
    heard = Promise.withResolvers<CheckMessage>();
    heard.promise.catch(() => undefined);
    if (message.kind !== "failed") return message;
    throw errorOfThread(message.error);
  };
  try {
    post({ kind: "begin", call });
    await hear();
    for (;;) {
      signal.throwIfAborted();
      const next = await waiting.next();
      if (next.done === true) break;
      post({ kind: "task", task: next.value.task });
      const message = await hear();
      if (message.kind === "done") next.value.done(message.outcome);
    }
    post({ kind: "end" });
    await hear();
  } catch (error) {
    await worker.terminate();
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener("abort", end);
  }
  leaveThread(WORKER_FILE, worker);
}
