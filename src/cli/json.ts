import { z } from "zod";
import { BACKUP_ID } from "../repository/manifest.ts";
import { PROOF_LEVELS } from "../repository/proof-file.ts";

/**
 * What each command prints with `--json`: fields are added, never renamed or given another meaning. The reference is
 * made from these schemas, and a test holds the output of the real commands against them.
 */
const time = z.iso.datetime();
const count = z.int().min(0);
const bytes = z.int().min(0);
const milliseconds = z.int().min(0);

export const BackupJson = z
  .strictObject({
    id: z.string().regex(BACKUP_ID).describe("Identity of the backup"),
    database: z.string().describe("Name of the database in the repository"),
    kind: z.enum(["archive", "snapshot"]).describe("Kind of backup"),
    format: z.enum(["plain", "custom"]).nullable().describe("Format of the archive; null for a snapshot"),
    compression: z
      .enum(["gzip", "zstd"])
      .nullable()
      .describe("Compression of the archive; null for a snapshot"),
    schedule: z
      .string()
      .nullable()
      .describe("The strategy's entry that asked for it; null for one taken by hand"),
    snapshotAt: time.describe("The moment that a restore brings back"),
    finishedAt: time.describe("When the last byte was durable"),
    durationMs: milliseconds.describe("How long it took, in milliseconds"),
    schemas: z.array(z.string()).nullable().describe("The schemas in it; null for the whole database"),
    tables: count.describe("Tables in it"),
    rows: count.describe("Rows in it"),
    bytes: bytes.describe("Size before compression"),
    storedBytes: bytes.describe("Bytes that it added to the repository"),
    serverVersion: z.string().describe("Version of the PostgreSQL server"),
    archive: z
      .string()
      .nullable()
      .describe("Where the archive lies, relative to the repository; null for a snapshot"),
    sha256: z.string().nullable().describe("SHA-256 of the archive; null for a snapshot"),
    parts: z
      .strictObject({
        read: count.describe("Parts whose rows were read from the server"),
        reused: count.describe("Parts taken from the last snapshot, for their rows had not changed"),
      })
      .nullable()
      .describe("The parts of a snapshot; null for an archive"),
  })
  .meta({ title: "backup" });
export type BackupJson = z.infer<typeof BackupJson>;

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

const level = z.enum(PROOF_LEVELS);
const outcome = z.enum(["proven", "failed"]).describe("What came of it");

export const ProofJson = z
  .strictObject({
    operation: z
      .enum(["verify", "restore", "export", "repair"])
      .describe("What it came from: a check, or a restore, export or repair that met damage"),
    outcome,
    level: level.describe("What was asked for"),
    proven: level.nullable().describe("The highest level that was reached; null when it failed"),
    at: time.describe("When the check ended"),
    tables: count.describe("Tables that were compared"),
    rows: count.describe("Rows in them"),
    restoreMs: milliseconds.nullable().describe("How long restoring took; null when nothing was restored"),
    compareMs: milliseconds
      .nullable()
      .describe("How long comparing took; null when that was not done by itself"),
    serverVersion: z.string().nullable().describe("Version of the server it was restored on"),
    problem: z.string().nullable().describe("The first thing found wrong"),
  })
  .meta({ title: "proof" });
export type ProofJson = z.infer<typeof ProofJson>;

const newestProof = ProofJson.nullable().describe("The newest proof of it; null when there is none");

export const VerifyJson = z.strictObject({
  id: z.string().regex(BACKUP_ID).describe("Identity of the backup"),
  database: z.string().describe("Name of the database in the repository"),
  place: z
    .string()
    .describe("Where it was read; of a database that is kept in several places, each is checked"),
  kind: z
    .enum(["archive", "snapshot"])
    .nullable()
    .describe("Kind of backup; null when its index cannot be read"),
  snapshotAt: time.nullable().describe("The moment that a restore brings back"),
  outcome,
  level: level.describe("What was asked for"),
  proven: level
    .nullable()
    .describe(
      "The highest level that was reached: a lower one when something could not be compared; null when it failed",
    ),
  startedAt: time.describe("When the check began"),
  finishedAt: time.describe("When the check ended"),
  by: z
    .strictObject({
      host: z.string().describe("Name of the machine"),
      user: z.string().describe("Name of the user"),
      program: z.string().describe("Program and version"),
    })
    .describe("Who checked"),
  compared: z
    .strictObject({
      objects: count.describe("Stored objects that were read whole"),
      storedBytes: bytes.describe("Their size"),
      tables: count.describe("Tables whose rows were counted"),
      rows: count.describe("Rows in them"),
      bytes: bytes.describe("Size of the rows before compression"),
      digests: count.describe("Tables whose rows were compared by digest"),
      sequences: count.describe("Sequences whose values were compared"),
      definitions: count.describe("Definitions that were compared"),
    })
    .describe("What was compared"),
  notCompared: z
    .array(z.strictObject({ what: z.string().describe("What"), reason: z.string().describe("Why not") }))
    .describe("What could not be compared"),
  server: z
    .strictObject({
      version: z.string().describe("Version of the server"),
      versionNumber: z.int().describe("The same as a number: 150018"),
      kind: z.enum(["throw-away", "given"]).describe("Made for the check, or named with `--to`"),
    })
    .nullable()
    .describe("Where it was restored; null when it was not"),
  durations: z
    .strictObject({
      integrityMs: milliseconds.nullable().describe("Reading what is stored, as far as the restore does not"),
      restoreMs: milliseconds.nullable().describe("Restoring"),
      compareMs: milliseconds.nullable().describe("Comparing afterwards"),
    })
    .describe("How long each part took, in milliseconds; null for what was not done"),
  problems: z
    .array(
      z.strictObject({
        object: z.string().describe("`part`, `rows`, `sequence` …: what is wrong"),
        table: z.string().nullable().describe("The table it is about"),
        part: z.string().nullable().describe("Name of the part or part list"),
        reason: z.string().describe("What is wrong with it"),
      }),
    )
    .describe("Everything found wrong"),
  record: z.string().nullable().describe("Where the proof was recorded, relative to the repository"),
  mended: z
    .array(z.string())
    .describe("Keys of the objects that `--repair` brought back from another place before this check"),
});
export type VerifyJson = z.infer<typeof VerifyJson>;

export const ListJson = z.strictObject({
  databases: z.array(
    z.strictObject({
      database: z.string().describe("Name of the database in the repository"),
      backups: z
        .array(
          BackupJson.extend({
            proof: newestProof,
            places: z
              .array(z.string())
              .describe("The places that have it; those where it is known to be damaged are not among them"),
          }),
        )
        .describe("Newest first, each once, however many places have it"),
      degraded: z
        .array(
          z.strictObject({
            place: z.string().describe("Name of the place"),
            lacks: z
              .array(z.string())
              .describe("Ids of backups that another place has whole, and it has not"),
            error: z.string().nullable().describe("Why it could not be read; null where it could"),
          }),
        )
        .describe("Places that have not all that they should have"),
      damaged: z
        .array(
          z.strictObject({
            id: z.string().describe("Identity of the backup"),
            reason: z.string().describe("What is wrong with it"),
          }),
        )
        .describe("What has a manifest but could not be restored"),
      foreign: z
        .array(
          z.strictObject({
            name: z.string().describe("File name"),
            key: z.string().describe("Where it lies, relative to the repository"),
            size: bytes.describe("Size in bytes"),
            modified: time.describe("When it was last written"),
          }),
        )
        .describe("Archives that other tools put there"),
    }),
  ),
});
export type ListJson = z.infer<typeof ListJson>;

const partCount = z.strictObject({
  parts: count.describe("Parts"),
  bytes: bytes.describe("Their rows, before compression"),
});

export const ShowJson = BackupJson.extend({
  proof: newestProof,
  repository: z.string().describe("The repository that holds it"),
  places: z.array(z.string()).describe("All repositories that hold it, this one included"),
  location: z.string().describe("Where the archive lies"),
  startedAt: time.describe("When the run began"),
  writtenBy: z.string().describe("Program that took it"),
  client: z.string().describe("PostgreSQL program that made the archive"),
  server: z
    .strictObject({
      version: z.string().describe("Version of the server"),
      versionNumber: z.int().describe("The same as a number: 150018"),
      systemIdentifier: z.string().nullable().describe("Identity of the cluster, where the server tells it"),
      timeline: z.int().nullable().describe("Timeline of the cluster, where the server tells it"),
      database: z.string().describe("Name of the database on the server"),
    })
    .describe("The server it was taken from"),
  serverBytes: bytes.describe("Size on the server's disk, indexes included"),
  extensions: z
    .array(
      z.strictObject({
        name: z.string().describe("Name of the extension"),
        schema: z.string().describe("Schema it is installed in"),
        version: z.string().describe("Its version"),
      }),
    )
    .nullable()
    .describe("Extensions of the database; null where only an identity opens what tells them"),
  roles: z
    .array(z.string())
    .nullable()
    .describe("Roles that own something in it or are granted something; null where extensions is"),
  retention: z
    .strictObject({
      keep: z.boolean().describe("Whether retention keeps it"),
      reasons: z.array(z.string()).describe("Why it stays or goes"),
    })
    .nullable()
    .describe("What the strategy's retention says of it; null without a strategy for this database"),
  tableDetails: z
    .array(
      z.strictObject({
        schema: z.string().describe("Schema of the table"),
        name: z.string().describe("Name of the table"),
        rows: count.nullable().describe("Rows; null where the dump carries none, as for a materialized view"),
        bytes: bytes.describe("Size of the rows before compression"),
        digest: z
          .string()
          .nullable()
          .describe("Digest of the rows, whatever their order; null where there is none"),
        read: partCount.nullable().describe("What was read from the server; null for an archive"),
        reused: partCount
          .nullable()
          .describe("What was taken from the last snapshot, for it had not changed; null for an archive"),
        note: z
          .string()
          .nullable()
          .describe("Why not all of it could be reused; null when there is nothing to say"),
      }),
    )
    .describe("Every table, largest first"),
  snapshot: z
    .strictObject({
      readBytes: bytes.describe("Rows read from the server, before compression"),
      reusedBytes: bytes.describe("Rows taken from the last snapshot, before compression"),
      newParts: count.describe("Parts that were stored"),
      namedBytes: bytes.describe("Everything it names, as stored: what a copy of it takes"),
      sample: z
        .strictObject({
          read: count.describe("Reused ranges that were read again to see"),
          differing: count.describe("Tables in which one was not what is stored"),
        })
        .describe("The look at what was reused"),
      fullRead: z.string().nullable().describe("Why nothing was reused; null when something was"),
    })
    .nullable()
    .describe("How a snapshot came about; null for an archive"),
});
export type ShowJson = z.infer<typeof ShowJson>;

const diffSide = z.strictObject({
  id: z.string().nullable().describe("Identity of the backup; null for the live database"),
  kind: z.enum(["archive", "snapshot", "live"]).describe("What it is"),
  database: z.string().describe("Name of the database on the server"),
  schemas: z
    .array(z.string())
    .nullable()
    .describe("The schemas that the backup has, and the comparison looked at; null for the whole database"),
  at: time.describe("The moment that its rows are of"),
});

const diffFacts = z
  .strictObject({
    rows: count.nullable().describe("Rows; null for a materialized view"),
    bytes: bytes.describe("Size of the rows before compression"),
    digest: z.string().nullable().describe("Digest of the rows, whatever their order; null for an archive"),
  })
  .nullable()
  .describe("What this side has of it; null when it is not there");

const namesThatDiffer = {
  onlyFirst: z.array(z.string()).describe("Only in the first: `INDEX shop.orders_at`, `DATABASE COMMENT`"),
  onlySecond: z.array(z.string()).describe("Only in the second"),
  changed: z.array(z.string()).describe("In both, and not the same"),
};

export const DiffJson = z.strictObject({
  database: z.string().describe("Name of the database in the repository"),
  first: diffSide.describe("What was named first"),
  second: diffSide.describe("What was named second"),
  equal: z
    .boolean()
    .nullable()
    .describe(
      "Whether both are the same; null when no difference was found and not everything could be compared",
    ),
  tables: z
    .array(
      z.strictObject({
        schema: z.string().describe("Schema of the table"),
        name: z.string().describe("Name of the table"),
        first: diffFacts,
        second: diffFacts,
        same: z
          .boolean()
          .nullable()
          .describe(
            "Whether both have the same rows; null when that cannot be told: an archive has no digests, and no backup the rows of a materialized view",
          ),
        ranges: z
          .strictObject({
            total: count
              .nullable()
              .describe("Ranges of blocks in both together; null when none had to be looked at"),
            changed: z
              .array(
                z.strictObject({
                  from: count.describe("First block"),
                  to: count.nullable().describe("The block after the last; null: to the end"),
                }),
              )
              .describe("Those that do not hold the same rows"),
          })
          .nullable()
          .describe("Which of its ranges changed; null where that cannot be told"),
      }),
    )
    .describe("Every table, by schema and name"),
  sequences: z
    .array(
      z.strictObject({
        schema: z.string().describe("Schema of the sequence"),
        name: z.string().describe("Name of the sequence"),
        first: z.string().nullable().describe("Its value; null when it is not there"),
        second: z.string().nullable().describe("Its value; null when it is not there"),
      }),
    )
    .describe("Sequences that differ"),
  definitions: z
    .strictObject(namesThatDiffer)
    .nullable()
    .describe("Definitions that differ; null when they could not be compared"),
  properties: z
    .strictObject(namesThatDiffer)
    .describe(
      "What differs of the database itself: owner, encoding, locale, connection limit, settings, privileges, comment; and of the versions of its extensions",
    ),
  notCompared: z
    .array(z.strictObject({ what: z.string().describe("What"), reason: z.string().describe("Why not") }))
    .describe("What could not be compared"),
});
export type DiffJson = z.infer<typeof DiffJson>;

export const StatusJson = z.strictObject({
  healthy: z.boolean().describe("Whether every database meets its objectives"),
  databases: z.array(
    z.strictObject({
      database: z.string().describe("Name of the database"),
      criticality: z.enum(["critical", "high", "medium", "low"]).nullable().describe("From the strategy"),
      healthy: z.boolean().describe("Whether it meets its objectives"),
      degraded: z
        .boolean()
        .describe("Whether one of its places lacks a backup that another has, or cannot be read"),
      problems: z
        .array(
          z.strictObject({
            message: z.string().describe("What is wrong"),
            hint: z.string().nullable().describe("What to do about it"),
          }),
        )
        .describe("Empty when healthy"),
      newest: BackupJson.nullable().describe("The newest good backup"),
      dataAtRiskMs: z
        .int()
        .nullable()
        .describe("Milliseconds since the newest backup's snapshot: what would be lost now"),
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

export const RestoreJson = z.strictObject({
  database: z.string().describe("Name of the database in the repository"),
  source: z.string().describe("What was restored: an id, or the path of an archive"),
  snapshotAt: time.nullable().describe("When the data is from; null for an archive of another tool"),
  target: z.string().describe("The database it goes to"),
  replaces: z.boolean().describe("Whether that took the place of a live database"),
  dryRun: z.boolean().describe("Whether nothing was changed"),
  restoredInto: z.string().nullable().describe("The database that has the data now; null after a dry run"),
  tables: count.describe("Tables restored, each compared with the backup"),
  rows: count.describe("Rows in them"),
  durationMs: milliseconds.nullable().describe("How long it took, in milliseconds; null after a dry run"),
  before: z.string().nullable().describe("After a swap: the name under which the replaced database stays"),
  dropAfter: time.nullable().describe("After a swap: when the lifetime of that database ends"),
  endedSessions: count
    .nullable()
    .describe("After a swap: how many sessions of others in the replaced database had to be ended"),
});

export const UndoJson = z.strictObject({
  database: z.string().describe("Name of the database on the server"),
  before: z.string().describe("The replaced database that comes back"),
  swappedAt: time.describe("When it was replaced"),
  by: z.string().describe("What replaced it"),
  laterWrites: z
    .array(
      z.strictObject({
        schema: z.string().describe("Schema of the table"),
        name: z.string().describe("Name of the table"),
        rows: count.describe("Rows inserted or updated since; deleted rows leave no trace to count"),
      }),
    )
    .describe("What was written since the swap and is set aside with it"),
  dryRun: z.boolean().describe("Whether nothing was changed"),
  undone: z
    .string()
    .nullable()
    .describe("The name under which the present database stays; null after a dry run"),
  endedSessions: count
    .nullable()
    .describe("How many sessions of others in that database had to be ended; null after a dry run"),
});

const subject = z.string().nullable().describe("The database it is about; null for the machine");

export const DoctorJson = z.strictObject({
  ready: z.boolean().describe("Whether a backup of every named database could run now"),
  problems: count.describe("What keeps a backup from running"),
  warnings: count.describe("What should be looked at"),
  databases: z.array(
    z.strictObject({
      name: z.string().describe("Name of the database"),
      ready: z.boolean().describe("Whether a backup of it could run now"),
    }),
  ),
  findings: z.array(
    z.strictObject({
      id: z.string().describe("What was looked at; these names stay"),
      subject: z.string().describe("The database it is about, or `machine`"),
      database: subject,
      level: z.enum(["ok", "warning", "problem"]).describe("How bad it is"),
      code: z
        .string()
        .nullable()
        .describe("How a backup would fail: one of the codes in [errors](errors.md)"),
      message: z.string().describe("What was found"),
      hint: z.string().nullable().describe("What to do about it"),
      items: z.array(z.string()).describe("The tables, databases or other things it is about"),
    }),
  ),
});

export const DemoJson = z.strictObject({
  steps: z.array(
    z.strictObject({
      title: z.string().describe("What was done"),
      durationMs: z.number().min(0).describe("How long it took, in milliseconds"),
    }),
  ),
  rows: count.describe("Rows that were compared at the end"),
  tables: count.describe("Tables that were compared at the end"),
});

const scheduleMethod = z.enum(["cron", "systemd"]).describe("What runs it");
const scheduledLine = {
  database: z.string().describe("Name of the database"),
  backup: z.string().describe("The strategy's entry"),
  schedule: z.string().describe("Cron expression"),
  next: time.nullable().describe("When it is due next"),
};

export const ScheduleInstallJson = z.strictObject({
  method: scheduleMethod,
  place: z.string().describe("Where it is installed"),
  changed: z.boolean().describe("Whether anything had to be changed"),
  lines: z.array(
    z.strictObject({ ...scheduledLine, line: z.string().describe("The line as a crontab has it") }),
  ),
  logFile: z.string().describe("Where the runs' output is appended"),
  envFile: z.string().nullable().describe("Where the runs get their environment variables from"),
  warnings: z.array(z.string()).describe("What to look at"),
  commands: z.array(z.string()).describe("What is left to type"),
});
export type ScheduleInstallJson = z.infer<typeof ScheduleInstallJson>;

export const ScheduleShowJson = z.strictObject({
  schedules: z.array(
    z.strictObject({
      method: scheduleMethod,
      place: z.string().describe("Where it is installed"),
      installed: z.array(z.string()).describe("Crontab lines or names of unit files that are there"),
      lines: z
        .array(
          z.strictObject({ ...scheduledLine, installed: z.boolean().describe("Whether it is installed so") }),
        )
        .describe("What the strategy wants"),
      upToDate: z.boolean().describe("Whether exactly what the strategy wants is installed"),
    }),
  ),
});
export type ScheduleShowJson = z.infer<typeof ScheduleShowJson>;

export const ScheduleRemoveJson = z.strictObject({
  removed: z.array(
    z.strictObject({
      method: scheduleMethod,
      place: z.string().describe("Where it was looked for"),
      changed: z.boolean().describe("Whether anything was there"),
      commands: z.array(z.string()).describe("What is left to type"),
    }),
  ),
});
export type ScheduleRemoveJson = z.infer<typeof ScheduleRemoveJson>;

export const ConfigCheckJson = z.strictObject({
  path: z.string().describe("The strategy file"),
  timeZone: z.string().describe("The time zone of its schedules"),
  databases: z.array(
    z.strictObject({
      database: z.string().describe("Name of the database"),
      server: z.string().nullable().describe("Where it is; null while a variable is not set"),
      schemas: z.array(z.string()).nullable().describe("The schemas to protect; null for the whole database"),
      criticality: z.enum(["critical", "high", "medium", "low"]).describe("How badly its loss would hurt"),
      rpoMs: milliseconds.describe("Recovery point objective in milliseconds"),
      rtoMs: milliseconds.describe("Recovery time objective in milliseconds"),
      repository: z.string().describe("Name of its repository"),
      location: z.string().nullable().describe("Where that is; null while a variable is not set"),
      repositories: z
        .array(
          z.strictObject({
            name: z.string().describe("Name of the repository"),
            location: z.string().nullable().describe("Where it is; null while a variable is not set"),
          }),
        )
        .describe("All of its repositories, the first first"),
      backups: z.array(
        z.strictObject({
          name: z.string().describe("Name of the entry"),
          kind: z.enum(["archive", "snapshot"]).describe("Kind of backup"),
          format: z
            .enum(["plain", "custom"])
            .nullable()
            .describe("Format of the archive; null for a snapshot"),
          compression: z
            .enum(["gzip", "zstd"])
            .nullable()
            .describe("Compression of the archive; null for a snapshot"),
          schedule: z.string().nullable().describe("Cron expression; null for one taken by hand"),
          keep: z.record(z.string(), z.int()).nullable().describe("Retention rules; null keeps every backup"),
          nextRun: time.nullable().describe("When it is due next"),
        }),
      ),
    }),
  ),
  warnings: z.array(z.string()).describe("What to look at"),
});
export type ConfigCheckJson = z.infer<typeof ConfigCheckJson>;

export const InitJson = z.strictObject({
  strategy: z.string().describe("The strategy file that was written"),
  schema: z.string().describe("The JSON Schema beside it, for editors"),
  environmentFile: z.string().nullable().describe("The file with the secrets, where there are any"),
  variables: z.array(z.string()).describe("Environment variables that the strategy needs"),
  databases: z.array(z.string()).describe("Names of the databases"),
  next: z.array(z.string()).describe("Commands to type next"),
});
export type InitJson = z.infer<typeof InitJson>;

export const ExportJson = z.strictObject({
  backup: z.string().describe("Identity of the backup, or the file that was exported"),
  kind: z.enum(["archive", "snapshot"]).describe("Kind of backup"),
  file: z.string().describe("The file that was written"),
  format: z.enum(["plain", "custom"]).describe("Its format"),
  compression: z.enum(["gzip", "zstd"]).describe("Its compression"),
  size: bytes.describe("Its size"),
  sha256: z.string().describe("SHA-256 of the file"),
  tables: count.describe("Tables with rows in it"),
  rows: count.describe("Rows in it, counted when it was read back"),
  durationMs: milliseconds.describe("How long it took"),
});
export type ExportJson = z.infer<typeof ExportJson>;

const recipientList = z.array(z.string());

export const KeyNewJson = z.strictObject({
  recipient: z.string().describe("The new recipient, `age1…`: no secret"),
  identity: z
    .string()
    .nullable()
    .describe(
      "The identity that opens what is sealed to it, which is shown nowhere else; null with `--file`",
    ),
  file: z.string().nullable().describe("The file that has the identity"),
  strategy: z.string().nullable().describe("The strategy that names the recipient now"),
  repositories: z.array(z.string()).describe("Its repositories that do"),
});
export type KeyNewJson = z.infer<typeof KeyNewJson>;

export const KeyShowJson = z.strictObject({
  repositories: z
    .array(
      z.strictObject({
        place: z.string().describe("Where it is"),
        wanted: recipientList.nullable().describe("Recipients in the strategy; null where it names none"),
        recipients: recipientList
          .nullable()
          .describe("Recipients in the repository; null where it is not encrypted, or not made yet"),
        hosts: recipientList.describe("Keys of the hosts that write to it"),
        mixed: z.boolean().describe("Whether some objects may be sealed to fewer: `key rewrap` ends that"),
      }),
    )
    .describe("The repositories"),
});
export type KeyShowJson = z.infer<typeof KeyShowJson>;

export const KeyRewrapJson = z.strictObject({
  place: z.string().describe("The repository"),
  recipients: recipientList.describe("To whom everything is sealed now"),
  hosts: recipientList.describe("Hosts that can read what they need to write"),
  objects: count.describe("Objects that were sealed anew"),
  left: z.array(z.string()).describe("Archives that were too large for it"),
});
export type KeyRewrapJson = z.infer<typeof KeyRewrapJson>;

export const ErrorJson = z.strictObject({
  error: z.strictObject({
    code: z.string().describe("One of the codes in [errors](errors.md)"),
    message: z.string().describe("What failed, on what, and why"),
    hint: z.string().optional().describe("What to do about it"),
    details: z.record(z.string(), z.unknown()).describe("More for programs; depends on the code"),
  }),
});
