import { z } from "zod";
import { milliseconds, time } from "./common.ts";

/** A step of a plan, before anything was done. */
export const PlannedStepJson = z.strictObject({
  id: z.string().describe("Identity of the step in its plan"),
  title: z.string().describe("What it does"),
  runs: z.string().describe("What it runs"),
  checkedBy: z.string().describe("How it is found out that it did"),
  budgetMs: milliseconds.describe("How long it may take"),
  ifItFails: z.string().describe("What to do then"),
  asks: z.boolean().describe("Whether a person has to agree before it"),
});
export type PlannedStepJson = z.infer<typeof PlannedStepJson>;

const step = PlannedStepJson.extend({
  ms: milliseconds
    .nullable()
    .describe("From its first beginning to its end, crashes between included; null where it did not begin"),
  outcome: z.enum(["planned", "done", "failed", "not begun"]).describe("What became of it"),
});

export const RecoverJson = z.strictObject({
  scenario: z.string().describe("The disaster"),
  databases: z.array(z.string()).describe("What it brings back"),
  aim: z.record(z.string(), z.string()).describe("What it recovers from and to"),
  touches: z.array(z.string()).describe("What of production it writes to"),
  budgetMs: milliseconds.describe("How long all of it may take"),
  estimates: z
    .array(
      z.strictObject({
        what: z.string().describe("One of the ways to have it back"),
        ms: milliseconds.nullable().describe("Null where nothing tells the rate"),
        basis: z.string().nullable().describe("What that was measured on"),
      }),
    )
    .describe("How long each way would take, from measured rates"),
  steps: z.array(step).describe("In order"),
  startedAt: time.nullable().describe("Null for a dry run, and on the way back"),
  ms: milliseconds.nullable().describe("How long all of it took"),
  outputs: z
    .record(z.string(), z.union([z.string(), z.number()]))
    .describe(
      "What the steps found and made: the backup, its tables and rows; of a dry run what those find that only look",
    ),
  undone: z.array(z.string()).nullable().describe("With `--back`: what was undone"),
});
export type RecoverJson = z.infer<typeof RecoverJson>;
