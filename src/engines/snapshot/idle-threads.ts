import { Worker } from "node:worker_threads";

// Rows pass through native memory; what the young generation has beyond this is garbage that nobody collects.
const YOUNG_MB = 24;
// The next database of a command is at its rows by then.
const IDLE_MS = 5000;

/** What is heard of a thread. */
const EVENTS = ["message", "error", "exit"];

/** By the file that they run; each with what ends it when its time is over. */
const idle = new Map<string, Map<Worker, NodeJS.Timeout>>();

/**
 * A thread that runs this file: one that was left, or a new one. Starting one takes a tenth of a second of the processor's
 * time, more than copying or checking a small database does.
 */
export function takeThread(file: URL): Worker {
  for (const worker of idle.get(file.href)?.keys() ?? []) {
    forget(file, worker);
    ignore(worker);
    worker.ref();
    return worker;
  }
  return new Worker(file, { resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB } });
}

/**
 * Leaves a thread that waits for its next call to whoever takes one next; after some seconds it ends. Whoever had it hears
 * no more of it, and it does not keep the process from ending.
 */
export function leaveThread(file: URL, worker: Worker): void {
  ignore(worker);
  // One that breaks now breaks nothing of anybody's.
  worker.once("error", () => forget(file, worker));
  worker.once("exit", () => forget(file, worker));
  worker.unref();
  const timer = setTimeout(() => {
    forget(file, worker);
    void worker.terminate();
  }, IDLE_MS);
  const threads = idle.get(file.href) ?? new Map<Worker, NodeJS.Timeout>();
  idle.set(file.href, threads.set(worker, timer.unref()));
}

function forget(file: URL, worker: Worker): void {
  const threads = idle.get(file.href);
  clearTimeout(threads?.get(worker));
  threads?.delete(worker);
}

function ignore(worker: Worker): void {
  for (const event of EVENTS) worker.removeAllListeners(event);
}
