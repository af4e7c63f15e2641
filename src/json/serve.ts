import { z } from "zod";
import { RUN_OUTCOMES } from "../repository/run-file.ts";
import { milliseconds, time } from "./common.ts";

/** A line of `handled serve --json`. */
export const ServeEventJson = z.strictObject({
  time: time.describe("When it happened"),
  event: z
    .enum([
      "reloaded",
      "strategy broken",
      "history unread",
      "job started",
      "job line",
      "job ended",
      "told",
      "not told",
      "listening",
      "set up",
      "not listening",
      "not answered",
      "stopping",
    ])
    .describe("What happened"),
  database: z.string().nullable().describe("The database it is about; null where it is about none"),
  operation: z.string().nullable().describe("What the job does; null where it is about none"),
  entry: z.string().nullable().describe("The strategy's entry; null where there is none"),
  outcome: z.enum(RUN_OUTCOMES).nullable().describe("How the job ended; null where none did"),
  durationMs: milliseconds.nullable().describe("How long it took; null where none ended"),
  message: z.string().describe("The same in words"),
  hint: z.string().nullable().describe("What to do about it; null where nothing"),
});
export type ServeEventJson = z.infer<typeof ServeEventJson>;
