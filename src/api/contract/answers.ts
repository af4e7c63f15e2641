import { z } from "zod";
import { BackupJson, count, time } from "../../json/common.ts";
import { DrillListJson } from "../../json/drill.ts";
import { HistoryJson } from "../../json/history.ts";
import { ListJson } from "../../json/look.ts";
import { UsageJson } from "../../json/repository.ts";
import { BACKUP_ID } from "../../repository/ids.ts";
import { RUN_ID } from "../../repository/run-file.ts";
import { FindingJson, StatusJson } from "../../json/status.ts";

// Answers are what the commands print with `--json`; here is only what puts several of those together.

const unread = z.array(z.string()).describe("Why places could not be read");

const next = (id: RegExp) =>
  z
    .string()
    .regex(id)
    .nullable()
    .describe("`before` of the page that follows, with what is older; null where there is nothing more");

export const BackupsJson = ListJson.extend({ next: next(BACKUP_ID) }).meta({ title: "backups" });
export type BackupsJson = z.infer<typeof BackupsJson>;

export const FindingsJson = z
  .strictObject({
    healthy: z.boolean().describe("Whether nothing worse than a notice was found anywhere"),
    findings: z
      .array(
        FindingJson.extend({
          database: z.string().nullable().describe("The database it is of; null for places and the machine"),
        }).meta({ title: "finding of a database" }),
      )
      .describe("The machine's and the places' own first; of each database the worst first"),
  })
  .meta({ title: "findings" });
export type FindingsJson = z.infer<typeof FindingsJson>;

export const RunsJson = z
  .strictObject({
    databases: z.array(HistoryJson).describe("In the strategy's order"),
    next: next(RUN_ID),
  })
  .meta({ title: "runs" });
export type RunsJson = z.infer<typeof RunsJson>;

export const RecoveriesJson = z
  .strictObject({ databases: z.array(DrillListJson).describe("In the strategy's order") })
  .meta({ title: "drills and recoveries" });
export type RecoveriesJson = z.infer<typeof RecoveriesJson>;

export const DaysJson = z
  .strictObject({
    zone: z.string().describe("The time zone whose days these are"),
    databases: z
      .array(
        z.strictObject({
          database: z.string().describe("Name of the database"),
          days: z
            .array(
              z.strictObject({
                day: z.iso.date().describe("By the calendar of the zone"),
                backups: count.describe("Backups that were made, degraded ones among them"),
                proofs: count.describe("Verifications that restored a backup and found nothing wrong"),
                failures: count.describe("Whatever failed or was interrupted"),
                degraded: count.describe("What did what it is for, though something was wrong"),
              }),
            )
            .describe("Oldest first, today the last; empty where no place could be read"),
          unread,
        }),
      )
      .describe("In the strategy's order"),
  })
  .meta({ title: "days" });
export type DaysJson = z.infer<typeof DaysJson>;

/** Between what a figure usually is. */
const band = z
  .strictObject({
    median: z.number().describe("The middle of those that the newest is compared with"),
    low: z.number().describe("Below it the newest would be a finding"),
    high: z.number().describe("Above it the newest would be a finding"),
  })
  .nullable()
  .describe("What the health checks let expect by those before; null where there are too few to tell");

export const SeriesJson = z
  .strictObject({
    database: z.string().describe("Name of the database"),
    points: z
      .array(
        BackupJson.pick({
          id: true,
          kind: true,
          schedule: true,
          snapshotAt: true,
          durationMs: true,
          tables: true,
          rows: true,
          bytes: true,
          storedBytes: true,
        }),
      )
      .describe("Oldest first"),
    usual: z
      .strictObject({ rows: band, bytes: band })
      .describe("By the backups that the newest is compared with: of its entry and schemas"),
  })
  .meta({ title: "series" });
export type SeriesJson = z.infer<typeof SeriesJson>;

export const OverviewJson = StatusJson.extend({
  at: time.describe("When it was looked"),
}).meta({ title: "overview" });
export type OverviewJson = z.infer<typeof OverviewJson>;

export const RepositoriesJson = UsageJson.extend({ unread }).meta({ title: "repositories" });
export type RepositoriesJson = z.infer<typeof RepositoriesJson>;
