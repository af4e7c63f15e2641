/** Where time comes from. Injected, so that tests can drive months in milliseconds. */
export interface Clock {
  /** The present moment. */
  now(): Date;
  /** Milliseconds that only grow; for durations, unmoved by changes of the wall clock. */
  monotonic(): number;
  /** Resolves after `ms` milliseconds; rejects with the signal's reason when it is aborted first. */
  wait(ms: number, signal: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => new Date(),
  monotonic: () => performance.now(),
  wait: async (ms, signal) => {
    for (let rest = ms; rest > LONGEST_TIMER_MS; rest -= LONGEST_TIMER_MS) {
      await waitOnce(LONGEST_TIMER_MS, signal);
    }
    await waitOnce(ms % LONGEST_TIMER_MS, signal);
  },
};

// Node fires a timer that is longer (some 25 days) at once.
const LONGEST_TIMER_MS = 2 ** 31 - 1;

function waitOnce(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(signal.reason as Error);
      return;
    }
    const onAbort = (): void => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    }, ms);
    signal.addEventListener("abort", onAbort, { once: true });
  });
}
