import { Worker } from "node:worker_threads";
import { AppError, messageOf } from "../../errors.ts";
import type { PartRef } from "../../repository/stored-parts.ts";
import type {
  CopyJob,
  CopyWorkerData,
  MainMessage,
  CopiedPart,
  ThreadError,
  WorkerMessage,
} from "./worker-messages.ts";

export interface PoolCallbacks {
  /** Looks a part up among those that a readable index names; undefined when it has to be stored. */
  readonly known: (textHash: string) => PartRef | undefined;
  /** A job was finished. */
  readonly finished: (job: number, parts: readonly CopiedPart[]) => void;
  /** So much COPY text more has been read. */
  readonly progress: (bytes: number) => void;
}

/**
 * Copies ranges in `threads` worker threads; each job's parts are told as it is finished. Jobs are given out in their
 * order as threads become free. The first failure ends all threads and is thrown; so does aborting the signal.
 */
export async function copyRanges(
  jobs: Iterable<CopyJob>,
  threads: number,
  data: CopyWorkerData,
  callbacks: PoolCallbacks,
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted();
  const waiting = jobs[Symbol.iterator]();
  const nextJob = (): CopyJob | undefined => {
    const next = waiting.next();
    return next.done === true ? undefined : next.value;
  };
  const failed = new AbortController();
  const stop = AbortSignal.any([signal, failed.signal]);
  const runs = Array.from({ length: threads }, async () => {
    try {
      await runWorker(data, { nextJob, ...callbacks }, stop);
    } catch (error) {
      failed.abort(error);
      throw error;
    }
  });
  await Promise.allSettled(runs);
  signal.throwIfAborted();
  failed.signal.throwIfAborted();
}

interface WorkerCalls extends PoolCallbacks {
  readonly nextJob: () => CopyJob | undefined;
}

// In a checkout the sources run; the published package has what was built from them.
const WORKER_FILE = new URL(
  import.meta.url.endsWith(".ts") ? "./copy-worker.ts" : "./copy-worker.js",
  import.meta.url,
);

async function runWorker(data: CopyWorkerData, calls: WorkerCalls, signal: AbortSignal): Promise<void> {
  const worker = new Worker(WORKER_FILE, { workerData: data });
  const end = (): void => void worker.terminate();
  signal.addEventListener("abort", end, { once: true });
  let failure: ThreadError | undefined;
  let open: CopyJob | undefined;
  const post = (message: MainMessage): void => worker.postMessage(message);
  const giveJob = (): void => {
    open = calls.nextJob();
    post(open === undefined ? { kind: "end" } : { kind: "job", job: open });
  };
  worker.on("message", (message: WorkerMessage) => {
    switch (message.kind) {
      case "ready":
        giveJob();
        break;
      case "made":
        calls.progress(message.bytes);
        post({ kind: "answer", known: calls.known(message.textHash) ?? null });
        break;
      case "done":
        calls.finished(message.job, message.parts);
        giveJob();
        break;
      case "failed":
        failure = message.error;
        break;
    }
  });
  try {
    await new Promise<void>((resolve, reject) => {
      worker.once("error", reject);
      worker.once("exit", () => resolve());
    });
  } catch (cause) {
    throw new AppError("unexpected", `copy tables: a worker broke: ${messageOf(cause)}`, { cause });
  } finally {
    signal.removeEventListener("abort", end);
  }
  signal.throwIfAborted();
  if (failure !== undefined) {
    throw new AppError(failure.code, failure.message, { hint: failure.hint, details: failure.details });
  }
  if (open !== undefined)
    throw new AppError("unexpected", "copy tables: a worker ended before its work was done");
}
