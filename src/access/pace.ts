import { AppError } from "../errors.ts";
import type { Clock } from "../lib/clock.ts";

/** Lets something be done so often in a while, and no more often: each thing that is named by itself. */
export class Pace {
  readonly #clock: Clock;
  readonly #most: number;
  readonly #withinMs: number;
  /** When it was done, by the monotonic clock, oldest first. */
  readonly #done = new Map<string, number[]>();

  constructor(clock: Clock, most: number, withinMs: number) {
    this.#clock = clock;
    this.#most = most;
    this.#withinMs = withinMs;
  }

  /** It is done now. Fails with `too_many_tries` where it was done too often of late. @param what as messages name it */
  take(what: string): void {
    const now = this.#clock.monotonic();
    for (const [key, times] of this.#done) {
      const recent = times.filter((at) => now - at < this.#withinMs);
      if (recent.length === 0) this.#done.delete(key);
      else this.#done.set(key, recent);
    }
    const times = this.#done.get(what) ?? [];
    const [oldest = now] = times;
    if (times.length >= this.#most) {
      const seconds = Math.ceil((oldest + this.#withinMs - now) / 1000);
      throw new AppError("too_many_tries", `${what}: try again in ${seconds} s`, {
        details: { retryAfterSeconds: seconds },
      });
    }
    this.#done.set(what, [...times, now]);
  }
}
