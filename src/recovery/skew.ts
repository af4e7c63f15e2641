import { formatDuration } from "../lib/text.ts";

/** The data of one database is as of this moment. */
export interface Moment {
  readonly database: string;
  readonly at: Date;
}

/** How far apart the moments are, in milliseconds. */
export function skewOf(moments: readonly Moment[]): number {
  const times = moments.map(({ at }) => at.getTime());
  return Math.max(...times) - Math.min(...times);
}

/** The same in words. */
export function describeSkew(moments: readonly Moment[]): string {
  const [first] = moments.toSorted((a, b) => a.at.getTime() - b.at.getTime());
  const [last] = moments.toSorted((a, b) => b.at.getTime() - a.at.getTime());
  const skew = skewOf(moments);
  return first === undefined || last === undefined || skew === 0
    ? "their data is of the same moment"
    : `their data is ${formatDuration(skew)} apart: ${first.database} is the oldest, ${last.database} the newest`;
}
