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
  broken: z.string().nullable().describe("What is wrong with the log, as a whole; null where nothing is"),
});
export type AuditLogJson = z.infer<typeof AuditLogJson>;
