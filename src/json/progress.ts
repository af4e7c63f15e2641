import { z } from "zod";
import { bytes, count, milliseconds, time } from "./common.ts";
import { PlannedStepJson } from "./recover.ts";

/** How far something has come, in figures. */
export const ProgressJson = z.strictObject({
  step: z.string().describe("What is going on"),
  bytes: bytes.describe("Bytes done"),
  totalBytes: bytes.nullable().describe("Bytes in all, estimated; null where nobody knows"),
  tables: count.nullable().describe("Tables done, or the one at hand; null where they are not counted"),
  totalTables: count.nullable().describe("Tables in all; null where nobody knows"),
  indexes: count.nullable().describe("Indexes done; null where they are not counted"),
  totalIndexes: count.nullable().describe("Indexes in all; null where nobody knows"),
  share: z
    .number()
    .min(0)
    .max(1)
    .nullable()
    .describe("Part of the step that is done; null where nobody knows"),
  table: z.string().nullable().describe("The table at hand; null where there is none"),
  message: z.string().describe("The same in words"),
});

export type ProgressJson = z.infer<typeof ProgressJson>;

/** What a recovery or drill is about to do. */
export const PlanProgressJson = z.strictObject({
  scenario: z.string().describe("The disaster"),
  budgetMs: milliseconds.describe("How long all of it may take"),
  steps: z.array(PlannedStepJson).describe("In order"),
});
export type PlanProgressJson = z.infer<typeof PlanProgressJson>;

/** What becomes of a step of it. */
export const StepProgressJson = z.strictObject({
  id: z.string().describe("Identity of the step in its plan"),
  title: z.string().describe("What it does"),
  budgetMs: milliseconds.describe("How long it may take"),
  outcome: z
    .enum(["begun", "done", "done before", "failed"])
    .describe("`done before`: by an earlier call, and it still holds"),
  ms: milliseconds.nullable().describe("How long it took; null while it runs"),
});
export type StepProgressJson = z.infer<typeof StepProgressJson>;

/** A line that is no figure. */
const MESSAGE_EVENTS = ["note", "warning", "error", "result"] as const;

const Message = z.strictObject({
  time: time.describe("When it was said"),
  event: z
    .enum(MESSAGE_EVENTS)
    .describe("How bad it is; `result` is, with `--json`, what is printed for people without it"),
  message: z.string().describe("What was said"),
  hint: z.string().nullable().describe("What to do about it; null where nothing"),
});

/** A line of standard error with `--progress json`. */
export const ProgressEventJson = z.discriminatedUnion("event", [
  ProgressJson.extend({ time: time.describe("When it was so far"), event: z.literal("progress") }),
  Message,
  PlanProgressJson.extend({ time: time.describe("When it was made"), event: z.literal("plan") }),
  StepProgressJson.extend({ time: time.describe("When that was so"), event: z.literal("step") }),
  z.strictObject({
    time: time.describe("When it ended"),
    event: z.literal("ended").describe("The last line"),
    exitCode: z.int().min(0).max(255).describe("As the process ends with"),
  }),
]);
export type ProgressEventJson = z.infer<typeof ProgressEventJson>;
