import { z } from "zod";
import { count, time } from "./common.ts";

/** Something that somebody did through the dashboard, the API or a terminal. */
export const AuditEntryJson = z
  .strictObject({
    seq: count.describe("Number of the entry"),
    at: time.describe("When it was done"),
    who: z.string().describe("Who did it"),
    what: z.string().describe("What was done"),
    subject: z.string().describe("What it was done to"),
    source: z.string().describe("From where"),
    hash: z.string().describe("SHA-256 of the entry, the one before included"),
  })
  .meta({ title: "entry of the audit log" });

export const AuditLogJson = z.strictObject({
  entries: z.array(AuditEntryJson).describe("Newest first"),
  places: z
    .array(
      z.strictObject({
        place: z.string().describe("The repository"),
        error: z.string().nullable().describe("Why it could not be read; null where it was"),
        entries: count.nullable().describe("Entries of this log that lie there"),
        behind: count.nullable().describe("Entries that are yet to be brought there"),
        others: z
          .array(
            z
              .strictObject({
                chain: z.string().describe("Identity of the log"),
                entries: count.describe("How many it has"),
                broken: z.string().nullable().describe("What is wrong with it; null where nothing is"),
              })
              .meta({ title: "another log" }),
          )
          .describe("Logs of other machines, or of this one before its own began anew"),
      }),
    )
    .describe("With `--verify`: what each repository keeps of it"),
  broken: z.string().nullable().describe("What is wrong with the log, as a whole; null where nothing is"),
});
export type AuditLogJson = z.infer<typeof AuditLogJson>;
