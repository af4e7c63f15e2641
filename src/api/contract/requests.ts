import { z } from "zod";
import { timeZoneProblem } from "../../config/time-zone.ts";
import { BACKUP_ID } from "../../repository/ids.ts";
import { RUN_ID, RUN_OPERATIONS } from "../../repository/run-file.ts";

// What callers write into addresses. Nothing that is not named here is taken.

const databaseName = z.string().min(1).max(128).describe("Name of a database in the strategy");

const last = z.coerce
  .number()
  .int()
  .min(1)
  .max(1000)
  .default(20)
  .describe("No more than so many of each database");

export const OneDatabase = z.strictObject({ name: databaseName });

export const OneBackup = z.strictObject({
  database: databaseName,
  id: z
    .string()
    .regex(new RegExp(`${BACKUP_ID.source}|^latest$|^provider:[\\dTZ:.-]{1,40}$`))
    .describe("Identity of a backup, `latest`, or `provider:TIME` for a managed service's own"),
});

export const WhichBackups = z.strictObject({
  last: z.coerce
    .number()
    .int()
    .min(1)
    .max(10_000)
    .optional()
    .describe("No more than so many; all when left out"),
  before: z.string().regex(BACKUP_ID).optional().describe("Only what is older than the backup with this id"),
});
export type WhichBackups = z.infer<typeof WhichBackups>;

const own = z.string().regex(new RegExp(`${BACKUP_ID.source}|^latest$`));

export const WhichDiff = z.strictObject({
  first: own.describe("Identity of a backup, or `latest`"),
  second: own.describe("Identity of another one of the same database"),
});
export type WhichDiff = z.infer<typeof WhichDiff>;

export const WhichRuns = z.strictObject({
  database: databaseName.optional().describe("One database of the strategy; all when left out"),
  last,
  before: z.string().regex(RUN_ID).optional().describe("Only what is older than the run with this id"),
  since: z.iso.datetime().optional().describe("Only what began then or later"),
  failed: z
    .literal("true")
    .optional()
    .describe("`true`: only what failed, was interrupted or is degraded; all when left out"),
  operation: z.enum(RUN_OPERATIONS).optional().describe("Only runs of this operation"),
});
export type WhichRuns = z.infer<typeof WhichRuns>;

export const WhichRecoveries = z.strictObject({
  database: databaseName.optional().describe("One database of the strategy; all when left out"),
  last,
});
export type WhichRecoveries = z.infer<typeof WhichRecoveries>;

export const WhichDays = z.strictObject({
  zone: z
    .string()
    .max(64)
    .superRefine((name, context) => {
      const problem = timeZoneProblem(name);
      if (problem !== undefined) context.addIssue({ code: "custom", message: problem });
    })
    .default("UTC")
    .describe("Time zone by whose calendar is counted, as an IANA name"),
  days: z.coerce.number().int().min(1).max(92).default(30).describe("So many days, today among them"),
});
export type WhichDays = z.infer<typeof WhichDays>;

export const WhichSeries = z.strictObject({
  days: z.coerce.number().int().min(1).max(3650).default(90).describe("No further back than so many days"),
});

export const WhichRunbook = z.strictObject({
  format: z.enum(["html", "md"]).default("html").describe("How it is written"),
});
