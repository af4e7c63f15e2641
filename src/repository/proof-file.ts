import { z } from "zod";
import { ApplicationResult, AssertionResult } from "./asserted.ts";
import { BackupId } from "./manifest.ts";

const count = z.int().min(0);
const milliseconds = z.int().min(0);

/** What can be shown of a backup, each level with all that the ones before it show. */
export const PROOF_LEVELS = ["integrity", "restore", "content", "assertions"] as const;
export const ProofLevel = z.enum(PROOF_LEVELS);
export type ProofLevel = z.infer<typeof ProofLevel>;

/** Whether what shows `level` shows `least`, too. */
export function includesLevel(level: ProofLevel, least: ProofLevel): boolean {
  return PROOF_LEVELS.indexOf(level) >= PROOF_LEVELS.indexOf(least);
}

/** Proofs of the level `assertions` are of format 2, all others of format 1. */
export const NEWEST_PROOF_FORMAT = 2;

/** Something that is not as it should be. */
export const ProofProblem = z.strictObject({
  /** A stored object, what was restored, or the restore itself. */
  object: z.enum([
    "index",
    "tables",
    "content",
    "archive",
    "part list",
    "part",
    "restore",
    "rows",
    "sequence",
    "definition",
    "assertion",
    "application",
  ]),
  /** `schema.name`; null where it is not about one table. */
  table: z.string().nullable(),
  /** Name of the part or part list; null where it is not about one. */
  part: z.string().nullable(),
  reason: z.string(),
});
export type ProofProblem = z.infer<typeof ProofProblem>;

// A backup whose every part is gone needs no million lines to be believed.
export const PROBLEMS_KEPT = 100;

/**
 * `records/proofs/<time>-<backup>.json`: a backup was checked, and what came of it. Written once and never changed; it
 * stays when the backup is deleted.
 */
export const ProofFile = z.strictObject({
  format: z.int().min(1),
  backup: BackupId,
  database: z.string(),
  /** What read the backup: a check, or something else that met damage. The first records did not tell. */
  operation: z
    .enum(["verify", "restore", "export", "repair", "show", "diff", "backup", "check"])
    .default("verify"),
  /** The moment that the backup brings back; null where its index could not be read. */
  snapshotAt: z.iso.datetime().nullable(),
  /** When the check began and ended. */
  startedAt: z.iso.datetime(),
  finishedAt: z.iso.datetime(),
  by: z.strictObject({ host: z.string(), user: z.string(), program: z.string() }),
  outcome: z.enum(["proven", "failed"]),
  /** What was asked for. */
  level: ProofLevel,
  /** The highest level that was reached: below `level` when something could not be compared; null after a failure. */
  proven: ProofLevel.nullable(),
  compared: z.strictObject({
    /** Stored objects that were read whole, and their size. */
    objects: count,
    storedBytes: count,
    /** Tables whose rows were counted after the restore (before it, for `integrity`), and these rows. */
    tables: count,
    rows: count,
    /** COPY text of the rows. */
    bytes: count,
    /** Tables whose rows were compared by digest, sequences by value, definitions by their text. */
    digests: count,
    sequences: count,
    definitions: count,
  }),
  /** What the level would have compared, and why it was not. */
  notCompared: z.array(z.strictObject({ what: z.string(), reason: z.string() })),
  /** The server it was restored on; null for `integrity`. */
  server: z
    .strictObject({
      version: z.string(),
      versionNumber: z.int(),
      /** One made for this check, or a database on a server that was there. */
      kind: z.enum(["throw-away", "given"]),
    })
    .nullable(),
  /** How long reading the stored objects, restoring, and comparing took; null for what was not done by itself. */
  durations: z.strictObject({
    integrityMs: milliseconds.nullable(),
    restoreMs: milliseconds.nullable(),
    compareMs: milliseconds.nullable(),
  }),
  /** Everything found wrong, and the first of it in full. */
  problemCount: count,
  problems: z.array(ProofProblem).max(PROBLEMS_KEPT),
  /** From format 2 on: every query that was asked, and the application where one was tried. */
  assertions: z.array(AssertionResult).optional(),
  application: ApplicationResult.optional(),
});
export type ProofFile = z.infer<typeof ProofFile>;

// What a query answers depends on the copy; that it cannot be asked, or gives no boolean, depends on the query.
export const UNANSWERED: readonly AssertionResult["outcome"][] = ["error", "timed out", "not boolean"];

/**
 * Whether a check failed, and what failed says nothing of the backup: it was restored and compared, and then a query could not be asked,
 * or the application did not work. One query that was answered otherwise than the strategy demands, and it says something.
 */
export function saysNothingOfBackup({
  outcome,
  problems,
  problemCount,
  assertions = [],
}: Pick<ProofFile, "outcome" | "problems" | "problemCount" | "assertions">): boolean {
  return (
    outcome === "failed" &&
    problems.length === problemCount &&
    problems.length > 0 &&
    problems.every(({ object }) => object === "assertion" || object === "application") &&
    assertions.every((result) => result.reason === null || UNANSWERED.includes(result.outcome))
  );
}
