import { z } from "zod";
import { bytes, count, time } from "./common.ts";

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

/** A line that is no figure. */
const MESSAGE_EVENTS = ["note", "warning", "error"] as const;

const Message = z.strictObject({
  time: time.describe("When it was said"),
  event: z.enum(MESSAGE_EVENTS).describe("How bad it is"),
  message: z.string().describe("What was said"),
  hint: z.string().nullable().describe("What to do about it; null where nothing"),
});

/** A line of standard error with `--progress json`. */
export const ProgressEventJson = z.discriminatedUnion("event", [
  ProgressJson.extend({ time: time.describe("When it was so far"), event: z.literal("progress") }),
  Message,
  z.strictObject({
    time: time.describe("When it ended"),
    event: z.literal("ended").describe("The last line"),
    exitCode: z.int().min(0).max(255).describe("As the process ends with"),
  }),
]);
export type ProgressEventJson = z.infer<typeof ProgressEventJson>;
