import { setImmediate } from "node:timers/promises";
import { mapBounded } from "../lib/concurrency.ts";
import type { Runtime } from "../lib/runtime.ts";

// An asynchronous operation on a file takes 25 µs of our time, most of it to wake a thread; the same one without waiting
// takes 5 to 10 when the system has the answer in memory, which is so for most of thousands of small files.
const LONGEST_MS = 5;
// A disk or network that does fewer in that time makes us wait: then it gets many requests at once instead.
const FEWEST = 50;
const PATIENT = 256;
// Enough to hide the latency of a network mount, few enough for any server.
const PARALLEL = 64;

/** One operation in both ways. */
export interface FileOperation<T, R> {
  readonly now: (item: T) => R;
  readonly later: (item: T) => Promise<R>;
}

/**
 * Does one small operation for each of many files; results keep their order. It never blocks for longer than a few
 * milliseconds, or one operation.
 */
export async function manyFiles<T, R>(
  { clock }: Pick<Runtime, "clock">,
  items: readonly T[],
  operation: FileOperation<T, R>,
  signal: AbortSignal,
): Promise<R[]> {
  const results: R[] = [];
  while (results.length < items.length) {
    signal.throwIfAborted();
    const begun = results.length;
    const until = clock.monotonic() + LONGEST_MS;
    for (const item of from(items, begun)) {
      results.push(operation.now(item));
      if (clock.monotonic() >= until) break;
    }
    if (results.length === items.length) break;
    if (results.length - begun >= FEWEST) {
      await setImmediate();
    } else {
      const some = items.slice(results.length, results.length + PATIENT);
      results.push(...(await mapBounded(some, PARALLEL, operation.later)));
    }
  }
  return results;
}

function* from<T>(items: readonly T[], start: number): Generator<T> {
  for (let at = start; at < items.length; at++) yield items[at] as T;
}
