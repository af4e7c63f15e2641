import { z } from "zod";
import { ApplicationResult, AssertionResult } from "../repository/asserted.ts";
import { BACKUP_ID } from "../repository/manifest.ts";
import { bytes, count, level, milliseconds, outcome, time } from "./common.ts";

// What commands that bring back and prove print with `--json`.

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
  outcome: z
    .enum([...outcome.options, "unopened"])
    .describe(
      "What came of it; `unopened`: nothing is wrong with what could be compared, and no key opened what lies in it, so nothing is proven",
    ),
  level: level.describe("What was asked for"),
  proven: level
    .nullable()
    .describe(
      "The highest level that was reached: a lower one when something could not be compared; null when it failed or nothing was opened",
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
  assertions: z
    .array(
      z.strictObject({
        name: z.string().nullable().describe("Its name; null where it has none"),
        sql: z.string().describe("The query"),
        outcome: AssertionResult.shape.outcome.describe("What it gave; only `true` is as it should be"),
        reason: z.string().nullable().describe("Why it does not hold; null where it does"),
        ms: milliseconds.describe("How long the answer took"),
      }),
    )
    .describe("The queries that the restored copy was asked"),
  application: z
    .strictObject({
      outcome: ApplicationResult.shape.outcome.describe("Whether it became healthy on the restored copy"),
      reason: z.string().nullable().describe("Why it failed; null where it did not"),
      ms: milliseconds.describe("How long it took until then"),
    })
    .nullable()
    .describe("What came of the application; null where none was tried"),
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
  record: z
    .string()
    .nullable()
    .describe("Where the proof was recorded, relative to the repository; null when it was not"),
  mended: z
    .array(z.string())
    .describe("Keys of the objects that `--repair` brought back from another place before this check"),
});

export type VerifyJson = z.infer<typeof VerifyJson>;

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
  bytes: bytes
    .nullable()
    .describe("Size of the rows that are loaded, before compression; null for an archive of another tool"),
  estimatedMs: milliseconds
    .nullable()
    .describe("How long loading them may take, by the newest proof; null where nothing tells the rate"),
  estimatedBy: z.string().nullable().describe("What that was measured on"),
  durationMs: milliseconds.nullable().describe("How long it took, in milliseconds; null after a dry run"),
  before: z.string().nullable().describe("After a swap: the name under which the replaced database stays"),
  dropAfter: time.nullable().describe("After a swap: when the lifetime of that database ends"),
  endedSessions: count
    .nullable()
    .describe("After a swap: how many sessions of others in the replaced database had to be ended"),
});
export type RestoreJson = z.infer<typeof RestoreJson>;

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
