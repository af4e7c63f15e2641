import { z } from "zod";
import { BackupJson, bytes, count, time } from "./common.ts";

// What commands that take, copy and delete backups print with `--json`.

const PlaceReportJson = z.strictObject({
  name: z.string().describe("Name of the repository; without a strategy, what the command line says"),
  place: z.string().describe("Where it is"),
  copied: z
    .array(
      z.strictObject({
        id: z.string().describe("Identity of the backup"),
        objects: count.describe("Objects that were brought over, its manifest included"),
        bytes: bytes.describe("Their size as stored"),
        thereObjects: count.describe("Objects of it that were there already"),
        thereBytes: bytes.describe("Their size as stored"),
      }),
    )
    .describe("Backups that were brought here from another place"),
  lacking: z
    .array(
      z.strictObject({
        id: z.string().describe("Identity of the backup"),
        code: z.string().describe("Why: one of the codes in [errors](errors.md)"),
        message: z.string().describe("Why, in words"),
      }),
    )
    .describe("Backups that another place has and this one still lacks"),
  damaged: z.array(z.string()).describe("Ids of backups that are damaged here, and whole elsewhere"),
  deleted: z.array(z.string()).describe("Ids of old backups that retention deleted here after copying"),
  error: z
    .strictObject({
      code: z.string().describe("One of the codes in [errors](errors.md)"),
      message: z.string().describe("What happened, in words"),
    })
    .nullable()
    .describe("Why the place could not be used; null where it could"),
});

export type PlaceReportJson = z.infer<typeof PlaceReportJson>;

export const CopyJson = z
  .strictObject({
    database: z.string().describe("Name of the database in the repositories"),
    dryRun: z.boolean().describe("Whether only was said what would be copied"),
    degraded: z.boolean().describe("Whether a place still lacks something; the exit code is 3 then"),
    places: z.array(PlaceReportJson).describe("The places that were written to, in the strategy's order"),
  })
  .meta({ title: "copy report" });

export type CopyJson = z.infer<typeof CopyJson>;

export const BackupReportJson = BackupJson.extend({
  location: z.string().describe("Where it lies: the archive, or the index of the snapshot"),
  sample: z
    .strictObject({
      read: count.describe("Reused ranges that were read again to see"),
      differing: count.describe("Tables in which one was not what is stored: then everything was read"),
    })
    .nullable()
    .describe("The look at what was reused; null for an archive"),
  fullRead: z
    .string()
    .nullable()
    .describe(
      "Why nothing of an earlier snapshot could be reused; null where some could, and for an archive",
    ),
  latest: z
    .string()
    .nullable()
    .describe("The link to the newest archive; null for a snapshot, and where the place has no links"),
  file: z.string().nullable().describe("The extra copy that `--file` asked for"),
  totalBackups: count.describe("Backups of this database that are there now"),
  totalBytes: bytes.describe("Their size in the repository"),
  deleted: z.array(z.string()).describe("Ids of the old backups that retention deleted"),
  degraded: z
    .boolean()
    .describe(
      "Whether a place lacks a backup that another has, or could not be used; the exit code is 3 then",
    ),
  places: z
    .array(PlaceReportJson)
    .describe("What came of each place; what stands above is about the one that was written to first"),
}).meta({ title: "backup report" });

export type BackupReportJson = z.infer<typeof BackupReportJson>;

const StoredCountJson = z.strictObject({
  objects: count.describe("How many"),
  bytes: bytes.describe("Their size in the repository"),
});

const GarbageJson = z.strictObject({
  noted: StoredCountJson.describe("Found now; a later run deletes them, once they are old enough"),
  waiting: StoredCountJson.describe("Found by an earlier run, and not deleted yet"),
  deleted: StoredCountJson.describe("Deleted now, or that would be"),
  locked: StoredCountJson.extend({
    until: time.nullable().describe("When the last of their locks ends; null when there is none"),
  }).describe("Old enough, and to be deleted once their locks in the object store are over"),
  refused: z.array(z.string()).describe("Why nothing was deleted; empty when nothing stood in the way"),
});

export type GarbageJson = z.infer<typeof GarbageJson>;

export const PruneJson = z.strictObject({
  dryRun: z.boolean().describe("Whether nothing was changed"),
  databases: z.array(
    z.strictObject({
      database: z.string().describe("Name of the database in the repository"),
      repository: z
        .string()
        .describe("The place that was pruned: a database that is kept in several has an entry for each"),
      backups: z
        .array(
          BackupJson.extend({
            keep: z.boolean().describe("Whether it stays"),
            damaged: z
              .boolean()
              .describe("Whether it could not be restored; then it stays for somebody to look at"),
            reasons: z.array(z.string()).describe("Why it stays or goes"),
          }),
        )
        .describe("Every backup there was, the good ones newest first"),
      deleted: count.describe("How many were deleted, or would be"),
      freedBytes: bytes.describe(
        "What that frees: their archives at once, and later the parts that `garbage` says are noted now",
      ),
      garbage: GarbageJson.describe("Parts of snapshots, and their lists, that no backup needs"),
      replaced: z
        .array(
          z.strictObject({
            database: z.string().describe("Name on the server: `NAME_before_<time>`"),
            of: z.string().describe("The name it had"),
            replacedAt: time.describe("When a swap set it aside"),
            dropAfter: time.describe("When its lifetime ends"),
            bytes: bytes.nullable().describe("Size on the server's disk, where the role may ask"),
            dropped: z.boolean().describe("Whether it was dropped now, or would be"),
          }),
        )
        .nullable()
        .describe("Databases that swaps set aside; null where the server was not asked"),
    }),
  ),
});

export type PruneJson = z.infer<typeof PruneJson>;
