import { z } from "zod";
import { BACKUP_ID } from "../repository/manifest.ts";
import { RUN_ID, RUN_OPERATIONS, RUN_OUTCOMES } from "../repository/run-file.ts";
import { bytes, count, milliseconds, recordedError, time } from "./common.ts";

export const HistoryJson = z.strictObject({
  database: z.string().describe("Name of the database in the repository"),
  runs: z
    .array(
      z.strictObject({
        id: z.string().regex(RUN_ID).describe("Identity of the run"),
        operation: z.enum(RUN_OPERATIONS).describe("What ran"),
        entry: z.string().nullable().describe("The strategy's entry it belongs to; null for a run by hand"),
        startedAt: time.describe("When it began"),
        finishedAt: time
          .nullable()
          .describe("When it ended; null while it runs, and where nobody saw its end"),
        durationMs: milliseconds.nullable().describe("How long it took; null where finishedAt is"),
        outcome: z.enum(RUN_OUTCOMES).nullable().describe("How it ended; null while it runs"),
        backup: z
          .string()
          .regex(BACKUP_ID)
          .nullable()
          .describe("The backup that was taken, restored or checked; null where there is none"),
        rows: count.nullable().describe("Rows; null where it is not about rows"),
        bytes: bytes.nullable().describe("Their size before compression; null where it is not known"),
        storedBytes: bytes
          .nullable()
          .describe("Bytes that were stored, read or deleted; null where it is not known"),
        summary: z.string().describe("What came of it; empty while it runs and after a failure"),
        error: recordedError,
        host: z.string().describe("Machine it ran on"),
        user: z.string().describe("User it ran as"),
        program: z.string().describe("Program and version"),
      }),
    )
    .describe("Newest first"),
  more: z.boolean().describe("Whether there are older ones than were asked for"),
  unread: z.array(z.string()).describe("Why places could not be read"),
});

export type HistoryJson = z.infer<typeof HistoryJson>;
