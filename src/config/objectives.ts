import { z } from "zod";
import { duration } from "./durations.ts";

/** What a database must be able to do, in the strategy. */
export const Objectives = z.strictObject({
  rpo: duration()
    .prefault("24h")
    .describe("Recovery point objective: the most data, as time, that may be lost"),
  rto: duration().prefault("4h").describe("Recovery time objective: the longest outage that is acceptable"),
  // A month of 31 days, and a few more until somebody has looked.
  proof: duration()
    .prefault("35d")
    .describe(
      "How long a backup may go without one being restored and compared (`handled verify`). Holds from the first time on; of " +
        "critical and high databases from the first backup on",
    ),
});

/** In milliseconds. */
export interface ObjectivesMs {
  readonly rpoMs: number;
  readonly rtoMs: number;
  readonly proofMs: number;
}

export function objectivesMs({ rpo, rto, proof }: z.output<typeof Objectives>): ObjectivesMs {
  return { rpoMs: rpo, rtoMs: rto, proofMs: proof };
}
