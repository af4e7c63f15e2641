import { z } from "zod";
import { BACKUP_ID } from "../repository/manifest.ts";
import { PROOF_LEVELS } from "../repository/proof-file.ts";

/**
 * What each command prints with `--json`: fields are added, never renamed or given another meaning. The reference is
 * made from these schemas, and a test holds the output of the real commands against them.
 */
export const time = z.iso.datetime();

export const count = z.int().min(0);

export const bytes = z.int().min(0);

/** Why something that is recorded failed. */
export const recordedError = z
  .strictObject({
    code: z.string().describe("Code of the error"),
    message: z.string().describe("What went wrong"),
    hint: z.string().nullable().describe("What to do about it"),
  })
  .nullable()
  .describe("Why it failed; null where it did not");

export const milliseconds = z.int().min(0);

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

export const level = z.enum(PROOF_LEVELS);

export const outcome = z.enum(["proven", "failed"]).describe("What came of it");

export const ProofJson = z
  .strictObject({
    operation: z
      .enum(["verify", "restore", "export", "repair", "show", "diff", "backup", "check"])
      .describe("What it came from: a check, or anything else that met damage"),
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

export const newestProof = ProofJson.nullable().describe("The newest proof of it; null when there is none");

export const ErrorJson = z.strictObject({
  error: z.strictObject({
    code: z.string().describe("One of the codes in [errors](errors.md)"),
    message: z.string().describe("What failed, on what, and why"),
    hint: z.string().optional().describe("What to do about it"),
    details: z.record(z.string(), z.unknown()).describe("More for programs; depends on the code"),
  }),
});
