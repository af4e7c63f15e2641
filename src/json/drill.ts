import { z } from "zod";
import { RECOVERY_KINDS, RECOVERY_OUTCOMES } from "../repository/recovery-file.ts";
import { RUN_ID } from "../repository/run-file.ts";
import { milliseconds, recordedError, time } from "./common.ts";

const step = z.strictObject({
  id: z.string().describe("Identity of the step in its plan"),
  title: z.string().describe("What it does"),
  budgetMs: milliseconds.describe("How long it may take"),
  ms: milliseconds.nullable().describe("How long it took; null where it did not begin, or that is not known"),
  outcome: z.enum(["done", "failed", "not begun"]).describe("What became of it"),
});

export const DrillJson = z.strictObject({
  id: z.string().regex(RUN_ID).describe("Identity of the drill or recovery"),
  kind: z.enum(RECOVERY_KINDS).describe("`recover` was for real"),
  scenario: z.string().describe("The disaster"),
  databases: z.array(z.string()).describe("What it brings back"),
  entry: z.string().nullable().describe("The strategy's drill that it belongs to; null for one by hand"),
  startedAt: time.describe("When it began"),
  finishedAt: time.nullable().describe("When it ended; null while it runs, and where nobody saw its end"),
  outcome: z.enum(RECOVERY_OUTCOMES).nullable().describe("How it ended; null while it runs"),
  from: z
    .string()
    .nullable()
    .describe("Backup or moment that it was brought back from; null where it did not come so far"),
  steps: z.array(step).describe("In order"),
  rtoMs: milliseconds.nullable().describe("How long all of it took; null unless it is done"),
  budgetMs: milliseconds.describe("How long it may take by its plan"),
  objectiveRtoMs: milliseconds
    .nullable()
    .describe("How long it may take by the strategy; null where that sets none"),
  dataLostMs: milliseconds
    .nullable()
    .describe(
      "How long before its beginning the moment lies that it brings back; null where it is not known",
    ),
  objectiveRpoMs: milliseconds
    .nullable()
    .describe("How long that may be by the strategy; null where that sets none"),
  error: recordedError,
  notes: z.array(z.string()).describe("What people had to say, the first note first"),
  host: z.string().describe("Machine it ran on"),
  user: z.string().describe("User it ran as"),
  program: z.string().describe("Program and version"),
});
export type DrillJson = z.infer<typeof DrillJson>;

export const DrillListJson = z.strictObject({
  database: z.string().describe("Name of the database in the repository"),
  drills: z.array(DrillJson).describe("Drills and recoveries, newest first"),
  unread: z.array(z.string()).describe("Why places could not be read"),
});
export type DrillListJson = z.infer<typeof DrillListJson>;

export const DrillNoteJson = z.strictObject({
  id: z.string().regex(RUN_ID).describe("The drill or recovery that it is about"),
  unrecorded: z.array(z.string()).describe("Why it is not recorded in some places"),
});
export type DrillNoteJson = z.infer<typeof DrillNoteJson>;
