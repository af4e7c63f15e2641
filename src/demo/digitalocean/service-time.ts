import type { Clock } from "../../lib/clock.ts";

/**
 * The time of the emulated service: the clock's, moved by what was skipped, so that days pass at once. PostgreSQL knows
 * the machine's time alone, which is what its write-ahead log holds; `machineTime` leads back to it.
 */
export class ServiceTime {
  readonly #clock: Clock;
  /** Since when, by the machine's time, the service has been ahead by how much (milliseconds; negative: behind); oldest first. */
  readonly #skips: { readonly since: number; readonly ahead: number }[] = [];

  /** @param behind milliseconds by which it is behind the clock at first */
  constructor(clock: Clock, behind = 0) {
    this.#clock = clock;
    if (behind > 0) this.#skips.push({ since: clock.now().getTime(), ahead: -behind });
  }

  now(): Date {
    return new Date(this.#clock.now().getTime() + this.#ahead());
  }

  /** Goes on to a moment; does nothing when that is past. */
  skipTo(moment: Date): void {
    const ms = moment.getTime() - this.now().getTime();
    if (ms > 0) this.#skips.push({ since: this.#clock.now().getTime(), ahead: this.#ahead() + ms });
  }

  /** The machine's time at a moment of the service's; for one that was skipped, the time of the skip. */
  machineTime(moment: Date): Date {
    const at = moment.getTime();
    const index = this.#skips.findLastIndex(({ since, ahead }) => since + ahead <= at);
    const next = this.#skips[index + 1];
    const machine = at - (this.#skips[index]?.ahead ?? 0);
    return new Date(next === undefined ? machine : Math.min(machine, next.since));
  }

  #ahead(): number {
    return this.#skips.at(-1)?.ahead ?? 0;
  }
}

/** As the service writes moments: ISO 8601, to the second. */
export function stamp(moment: Date): string {
  return `${moment.toISOString().slice(0, 19)}Z`;
}

/** The beginning of a moment's second. */
export function wholeSecond(moment: Date): Date {
  return new Date(Math.floor(moment.getTime() / 1000) * 1000);
}
