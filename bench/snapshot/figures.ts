import type { Finding } from "./goals.ts";
import type { Run } from "./run.ts";

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle];
  if (upper === undefined) throw new Error("the median of nothing");
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}

export const seconds = (value: number): string => `${value.toFixed(value < 10 ? 2 : 1)} s`;
export const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(0)} MB`;

/** What a run took: long ones are told at once, for the table comes at the very end. */
export const took = (run: Run): string => `${seconds(run.seconds)} and ${megabytes(run.memory)}`;

/** Wall time of some runs against others, taken in turn. */
export function timeRatio(ours: readonly Run[], theirs: readonly Run[]): Finding {
  const [mine, other] = [ours, theirs].map((runs) => median(runs.map((one) => one.seconds)));
  if (mine === undefined || other === undefined) throw new Error("nothing was measured");
  return { value: mine / other, detail: `${seconds(mine)} to ${seconds(other)}${spread(ours, theirs)}` };
}

/** The least and the most of the ratio, round by round. */
function spread(ours: readonly Run[], theirs: readonly Run[]): string {
  if (ours.length < 2) return "";
  const ratios = ours.map((one, round) => one.seconds / (theirs[round]?.seconds ?? Number.NaN));
  return `, rounds ${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)}`;
}

export function mostMemory(runs: readonly Run[], detail: string): Finding {
  return { value: Math.max(...runs.map((one) => one.memory)) / 1e6, detail };
}
