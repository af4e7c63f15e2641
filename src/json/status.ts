import { z } from "zod";
import { BackupJson, bytes, count, milliseconds, time } from "./common.ts";
import { ProviderViewJson } from "./provider.ts";

export const FindingJson = z
  .strictObject({
    id: z.string().describe("The check that found it; [health](../health.md) describes each"),
    severity: z.enum(["critical", "warning", "notice"]).describe("How bad it is"),
    subject: z
      .string()
      .describe("What it is about: a table, a place, an entry, a file; empty for the database itself"),
    message: z.string().describe("What is wrong"),
    hint: z.string().nullable().describe("What to do about it"),
    evidence: z
      .record(z.string(), z.union([z.string(), z.number(), z.null()]))
      .describe("The figures; which ones depends on the check"),
  })
  .meta({ title: "finding" });

export type FindingJson = z.infer<typeof FindingJson>;

const point = z
  .strictObject({
    kind: z
      .enum(["backup", "provider"])
      .describe("Whether it is a backup of ours, or one of the managed service's own"),
    id: z.string().describe("Identity of the backup"),
    at: time.describe("The moment that it brings back"),
  })
  .nullable();

export const StatusJson = z.strictObject({
  healthy: z.boolean().describe("Whether nothing worse than a notice was found anywhere"),
  problems: z
    .array(FindingJson)
    .describe("What is wrong with places and this machine, and so with no single database"),
  notices: z.array(FindingJson).describe("The same, for what is worth a look"),
  databases: z.array(
    z.strictObject({
      database: z.string().describe("Name of the database"),
      criticality: z.enum(["critical", "high", "medium", "low"]).nullable().describe("From the strategy"),
      known: z
        .boolean()
        .describe(
          "Whether its backups could be looked at; where not, what is said of them below says nothing",
        ),
      healthy: z.boolean().describe("Whether nothing worse than a notice was found of it"),
      degraded: z
        .boolean()
        .describe("Whether one of its places lacks a backup that another has, or cannot be read"),
      problems: z.array(FindingJson).describe("What is wrong, critical or a warning; empty when healthy"),
      notices: z.array(FindingJson).describe("What is worth a look, and no reason to call it unhealthy"),
      newest: BackupJson.nullable().describe("The newest good backup"),
      newestPoint: point.describe("The newest moment that can be had back"),
      dataAtRiskMs: z
        .int()
        .nullable()
        .describe("Milliseconds since the newest moment that can be had back: what would be lost now"),
      newestProven: z
        .string()
        .nullable()
        .describe(
          "Identity of the newest good backup that was restored and compared; null when there is none",
        ),
      provenPoint: point.describe("The newest moment of which it was shown that it comes back"),
      provenAtRiskMs: z
        .int()
        .nullable()
        .describe("Milliseconds since then: what would be lost now if only what is proven counts"),
      provider: ProviderViewJson,
      timeToRecover: z
        .strictObject({
          measuredMs: milliseconds
            .nullable()
            .describe(
              "How long the last drill took, or the last restore that was made to prove a backup, whichever is newer",
            ),
          predictedMs: milliseconds
            .nullable()
            .describe(
              "How long the newest backup would take at that rate; null where nothing tells the rate",
            ),
          basis: z.string().nullable().describe("What that was measured on"),
        })
        .describe("How long it would take to have the data back; nothing but restoring is counted"),
      rpoMs: milliseconds.nullable().describe("Recovery point objective in milliseconds"),
      rtoMs: milliseconds.nullable().describe("Recovery time objective in milliseconds"),
      backups: count.describe("Good backups"),
      storedBytes: bytes.describe("Their size in the repository"),
      nextRun: time.nullable().describe("When the strategy's next backup is due"),
      entries: z
        .array(
          z.strictObject({
            name: z.string().describe("Name of the entry"),
            kind: z.enum(["archive", "snapshot"]).describe("Kind of backup"),
            newest: time.nullable().describe("The moment that its newest good backup brings back"),
            backups: count.describe("Good backups that it asked for"),
            storedBytes: bytes.describe("Their size in the repository"),
            nextRun: time.nullable().describe("When it is due next; null where it has no schedule"),
            installed: z
              .boolean()
              .nullable()
              .describe(
                "Whether its schedule is installed on this machine; null where it has none, or that cannot be told",
              ),
          }),
        )
        .describe("The strategy's backups of it, each by itself"),
    }),
  ),
});

export type StatusJson = z.infer<typeof StatusJson>;
