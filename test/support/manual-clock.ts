import { setImmediate } from "node:timers/promises";
import type { Clock } from "../../src/lib/clock.ts";

/** A clock that stands still until it is told to go on. */
export interface ManualClock extends Clock {
  /** Lets time pass, waking in order whoever waits; each gets to its next wait before time goes on. */
  advance(ms: number): Promise<void>;
  /** Resolves once this many waits are pending. */
  pending(count: number): Promise<void>;
}

interface Wait {
  readonly until: number;
  readonly wake: () => void;
}

export function manualClock(start = new Date("2024-12-11T14:30:22.000Z")): ManualClock {
  let elapsed = 0;
  const waits = new Set<Wait>();
  const advance = async (ms: number): Promise<void> => {
    const until = elapsed + ms;
    for (;;) {
      await settle();
      const due = [...waits].filter((wait) => wait.until <= until).toSorted((a, b) => a.until - b.until)[0];
      if (due === undefined) break;
      elapsed = due.until;
      waits.delete(due);
      due.wake();
    }
    elapsed = until;
    await settle();
  };
  return {
    now: () => new Date(start.getTime() + elapsed),
    monotonic: () => elapsed,
    wait: (ms, signal) =>
      new Promise((resolve, reject) => {
        const wait: Wait = { until: elapsed + ms, wake: resolve };
        if (signal.aborted) {
          reject(signal.reason as Error);
          return;
        }
        waits.add(wait);
        signal.addEventListener("abort", () => {
          if (waits.delete(wait)) reject(signal.reason as Error);
        });
      }),
    advance,
    pending: async (count) => {
      while (waits.size < count) await setImmediate();
    },
  };
}

/** Storage in memory answers within microtasks; a few turns of the event loop let a chain of them run out. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await setImmediate();
}
