/** The middle of these values; of an even number the mean of the two in the middle; NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? upper)) / 2;
}

// The MAD of a normal distribution times this is its standard deviation.
const TO_SIGMA = 1.4826;

/**
 * The spread of these values around their median, as a standard deviation: from the median absolute deviation
 * (https://en.wikipedia.org/wiki/Median_absolute_deviation), so that a few odd ones count for little.
 */
export function spread(values: readonly number[]): number {
  const middle = median(values);
  return TO_SIGMA * median(values.map((value) => Math.abs(value - middle)));
}

interface Point {
  readonly x: number;
  readonly y: number;
}

/**
 * How steeply these points rise: the median slope between any two of them (Theil-Sen:
 * https://en.wikipedia.org/wiki/Theil-Sen_estimator), so that a few odd ones count for little. NaN where all have one x.
 */
export function slopeOf(points: readonly Point[]): number {
  const slopes: number[] = [];
  for (const [n, from] of points.entries()) {
    for (const to of points.slice(n + 1)) if (to.x !== from.x) slopes.push((to.y - from.y) / (to.x - from.x));
  }
  return median(slopes);
}
