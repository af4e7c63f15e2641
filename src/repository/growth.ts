import { slopeOf } from "../lib/statistics.ts";

const DAY_MS = 86_400_000;
// Two backups always lie on a line.
const FEWEST = 3;
// All pairs of so many are compared at most; of more, this many evenly chosen ones say the same.
const MOST_POINTS = 400;

/** With less than that on its disk not even a record of what failed fits any more, or just so: a place is full. */
export const FULL_BYTES = 1_048_576;

/** What one backup added, and when. */
export interface Addition {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly bytes: number;
}

export interface Growth {
  readonly bytesPerDay: number;
  /** From the first to the last backup that it was taken from. */
  readonly days: number;
}

/**
 * How much is written a day, from what a row of backups added: the median slope, so that a rare backup that had to store
 * everything anew counts for little. The first one is where it starts, and what it added does not count. Null where there are fewer than three, or
 * they span less than a day.
 */
export function growthOf(additions: readonly Addition[]): Growth | null {
  const sorted = additions.toSorted((a, b) => a.at - b.at);
  const [first] = sorted;
  const last = sorted.at(-1);
  if (first === undefined || last === undefined || sorted.length < FEWEST) return null;
  const days = (last.at - first.at) / DAY_MS;
  if (days < 1) return null;
  let sum = -first.bytes;
  const points = sorted.map(({ at, bytes }) => ({ x: (at - first.at) / DAY_MS, y: (sum += bytes) }));
  const step = Math.ceil(points.length / MOST_POINTS);
  // The last one is always among them.
  const chosen = points.filter((_, at) => (points.length - 1 - at) % step === 0);
  return { bytesPerDay: Math.max(0, Math.round(slopeOf(chosen))), days };
}

/** Of several rows of backups in one place; null where none has history enough. */
export function sumGrowth(growths: readonly (Growth | null)[]): Growth | null {
  const known = growths.filter((growth) => growth !== null);
  if (known.length === 0) return null;
  return {
    bytesPerDay: known.reduce((sum, { bytesPerDay }) => sum + bytesPerDay, 0),
    days: Math.max(...known.map(({ days }) => days)),
  };
}

/** When the disk of a place is full if nothing is deleted meanwhile; null for what has no end, and where that cannot be told. */
export function daysUntilFull(freeBytes: number | null, growth: Growth | null): number | null {
  if (freeBytes === null) return null;
  if (freeBytes < FULL_BYTES) return 0;
  if (growth === null || growth.bytesPerDay === 0) return null;
  return Math.floor(freeBytes / growth.bytesPerDay);
}
