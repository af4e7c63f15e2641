import { AppError } from "../errors.ts";
import type { Clock } from "../lib/clock.ts";
import { formatDuration } from "../lib/text.ts";

// So many wrong tries are free; from then on each doubles the wait.
const FREE = 5;
const FIRST_MS = 1_000;
const LONGEST_MS = 15 * 60_000;
// Whoever guesses from many addresses must not fill the memory.
const MOST = 10_000;

interface Tries {
  readonly failed: number;
  /** By the monotonic clock. */
  readonly openAt: number;
}

/** Makes guessing slow: by name, and by address. A restart forgets, which costs whoever guesses nothing, and gains little. */
export class Throttle {
  readonly #clock: Clock;
  readonly #tries = new Map<string, Tries>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Fails with `too_many_tries` while it is not yet to be tried again. */
  check(keys: readonly string[]): void {
    const now = this.#clock.monotonic();
    const waits = keys.map((key) => (this.#tries.get(key)?.openAt ?? 0) - now);
    const wait = Math.max(...waits);
    if (wait <= 0) return;
    throw new AppError(
      "too_many_tries",
      `sign in: try again in ${formatDuration(Math.ceil(wait / 1000) * 1000)}`,
      {
        details: { retryAfterSeconds: Math.ceil(wait / 1000) },
      },
    );
  }

  failed(keys: readonly string[]): void {
    const now = this.#clock.monotonic();
    for (const key of keys) {
      const failed = (this.#tries.get(key)?.failed ?? 0) + 1;
      const wait = failed < FREE ? 0 : Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(20, failed - FREE));
      // The newest are last.
      this.#tries.delete(key);
      this.#tries.set(key, { failed, openAt: now + wait });
    }
    for (const key of this.#tries.keys()) {
      if (this.#tries.size <= MOST) break;
      this.#tries.delete(key);
    }
  }

  succeeded(keys: readonly string[]): void {
    for (const key of keys) this.#tries.delete(key);
  }
}
