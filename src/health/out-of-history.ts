import { median, slopeOf, spread } from "../lib/statistics.ts";

/** A value that is not what its history lets expect. */
export interface Jump {
  readonly value: number;
  /** The median of those before. */
  readonly median: number;
  /** How many that were. */
  readonly before: number;
  /** How many of the newest are at the new level, the value itself among them. */
  readonly lasting: number;
}

export interface Limits {
  /** What the value must differ by at least, whatever its share. */
  readonly least: number;
  /** By what share of the median it must have fallen at least. */
  readonly fallen: number;
  /** How many times the median and the largest before it must be at least to have grown. */
  readonly grown: number;
  /** How many values there must be before it; default: as many as tell what is usual. */
  readonly fewest?: number;
}

// Of fewer nobody can tell what is usual.
const FEWEST = 5;
// A normal distribution goes beyond so many standard deviations once in 500 million times.
const SIGMAS = 6;
// No Sunday is quite like the one before.
const FURTHER = 1.5;

/**
 * Whether the first of these values, newest first, has jumped. It is compared with those before the jump: the newest that are
 * nearer to it than to the median of all are at the new level, so that a loss is told for as long as there is enough from
 * before it. What goes up or down steadily has not jumped, nor what lies as far from its course as others before (tables that
 * are emptied and filled again, quiet Sundays), nor what the values scatter by.
 */
export function jumpOf(values: readonly number[], limits: Limits): Jump | undefined {
  const [value, ...earlier] = values;
  const { fewest = FEWEST } = limits;
  if (value === undefined || earlier.length < fewest) return undefined;
  const usual = median(earlier);
  const isNew = (one: number): boolean => Math.abs(one - value) < Math.abs(one - usual);
  const old = earlier.findIndex((one) => !isNew(one));
  const before = old < 0 ? [] : earlier.slice(old);
  if (before.length < fewest) return undefined;
  const middle = median(before);
  const fell = middle - value >= Math.max(limits.least, limits.fallen * middle);
  const grew = value - middle >= limits.least && value >= limits.grown * Math.max(...before);
  if (!fell && !grew) return undefined;
  const { off, others } = fromCourse(value, before, 1 + old);
  if (Math.abs(off) <= SIGMAS * spread(others)) return undefined;
  const farthest = Math.max(...others.map((other) => (fell ? -other : other)));
  if (Math.abs(off) <= FURTHER * farthest) return undefined;
  return { value, median: middle, before: before.length, lasting: 1 + old };
}

/** How far from the straight course of those before a value lies that comes so many steps after them, and how far they do. */
function fromCourse(
  value: number,
  before: readonly number[],
  steps: number,
): { readonly off: number; readonly others: readonly number[] } {
  const points = before.map((y, n) => ({ x: -steps - n, y }));
  // A single one has no slope.
  const slope = points.length > 1 ? slopeOf(points) : 0;
  const start = median(points.map(({ x, y }) => y - slope * x));
  // Nothing has fewer rows than none: what shrinks steadily does not go on below.
  return { off: value - Math.max(0, start), others: points.map(({ x, y }) => y - slope * x - start) };
}
