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

/** Between what the next value may lie without having jumped. */
export interface Usual {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

// So often what is left of a range is halved: then it is narrower than a row or byte, or than a millionth of the value.
const HALVINGS = 60;

/**
 * What `jumpOf` would let the value after these be, newest first: it is asked, so that both say the same. Undefined where there are too few
 * to tell.
 */
export function usualOf(values: readonly number[], limits: Limits): Usual | undefined {
  if (values.length < (limits.fewest ?? FEWEST)) return undefined;
  const middle = median(values);
  const jumps = (value: number): boolean => jumpOf([value, ...values], limits) !== undefined;
  /** The value nearest to `far` that has not jumped, where the median has not and `far` has. */
  const edge = (far: number): number => {
    let [near, beyond] = [middle, far];
    for (let n = 0; n < HALVINGS && Math.abs(beyond - near) > 0.5; n++) {
      const between = (near + beyond) / 2;
      if (jumps(between)) beyond = between;
      else near = between;
    }
    return near;
  };
  let far = Math.max(1, middle);
  while (!jumps(far) && far < Number.MAX_SAFE_INTEGER) far *= 2;
  return { median: middle, low: jumps(0) ? edge(0) : 0, high: edge(far) };
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
