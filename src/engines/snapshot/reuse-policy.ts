import { randomInt } from "node:crypto";
import type { PartRange } from "../../repository/part-list-lines.ts";

const DAY_MS = 24 * 60 * 60 * 1000;
// After so many reuses, or days, a range is read all the same: damage of long values in the server shows no sooner.
const MOST_REUSES = 30;
const LONGEST_REUSE_DAYS = 30;
// What was read in one run would otherwise be due in one run again.
const SPREAD = 10;
const SAMPLED = 0.01;
// Rows shorter than this cost as much to ask about as to read.
const NARROW_BYTES = 120;

/** Where a run stands in the chain of snapshots that build on each other. */
export interface ReuseClock {
  readonly generation: number;
  readonly now: Date;
}

/**
 * Whether to ask about a range at all, or to read it at once.
 * @param group number of the group of ranges it is in: these become due together, different groups in different runs
 */
export function shouldAsk(
  range: PartRange,
  group: number,
  clock: ReuseClock,
): range is PartRange & { identity: object } {
  const { identity } = range;
  if (identity === null) return false;
  const early = group % SPREAD;
  if (clock.generation - identity.generation > MOST_REUSES - early) return false;
  const age = clock.now.getTime() - new Date(identity.readAt).getTime();
  // A clock that was set back makes no range young for ever.
  if (age < -DAY_MS || age >= (LONGEST_REUSE_DAYS - early) * DAY_MS) return false;
  return !isHot(range, clock);
}

/** It had changed when it was last asked about, in the last run: it will have changed again. */
function isHot({ identity, rows, parts }: PartRange, { generation }: ReuseClock): boolean {
  if (identity === null || identity.hash === null || identity.generation !== generation - 1) return false;
  const bytes = parts.reduce((sum, part) => sum + part.bytes, 0);
  return rows > 0 && bytes / rows < NARROW_BYTES;
}

/** Whether a reused range is read in this run to see: one in a hundred, those not read for long more often. */
export function isSampled(range: PartRange, { generation }: ReuseClock): boolean {
  const reuses = generation - (range.identity?.generation ?? generation);
  const chance = SAMPLED * (0.5 + reuses / (MOST_REUSES / 2));
  return randomInt(1_000_000) < chance * 1_000_000;
}

/** Keeps one of those it was given, each as likely as any other. */
export class Pick<T> {
  #seen = 0;
  #kept: T | undefined;

  get kept(): T | undefined {
    return this.#kept;
  }

  add(item: T): void {
    this.#seen += 1;
    if (randomInt(this.#seen) === 0) this.#kept = item;
  }
}
