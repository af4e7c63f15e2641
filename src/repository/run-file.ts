import { z } from "zod";
import { BackupId, Holder } from "./manifest.ts";
import { ProofLevel } from "./proof-file.ts";

const count = z.int().min(0);

/** What is recorded when it runs. */
export const RUN_OPERATIONS = [
  "backup",
  "verify",
  "prune",
  "restore",
  "copy",
  "rebuild",
  "recover",
  "drill",
] as const;

/**
 * How a run ended: `degraded` did what it is for, and something is wrong all the same; `interrupted` was stopped, or its
 * process is gone.
 */
export const RUN_OUTCOMES = ["done", "degraded", "failed", "interrupted"] as const;

/** `<time to the millisecond>-<8 hex digits>`: sorts by the time of its beginning. */
export const RUN_ID = /^\d{8}T\d{6}\.\d{3}Z-[0-9a-f]{8}$/;

/**
 * `records/runs/begun/<id>.json` while it runs, `records/runs/<year>-<month>/<id>.json` once it has ended, and a line of
 * `records/runs/<year>-<month>/<hash>.zst` when its month is over.
 */
export const RunFile = z.strictObject({
  format: z.int().min(1),
  id: z.string().regex(RUN_ID),
  operation: z.enum(RUN_OPERATIONS),
  database: z.string(),
  /** The strategy's entry it belongs to; null for one by hand. */
  entry: z.string().nullable(),
  startedAt: z.iso.datetime(),
  /** Null while it runs, and where nobody saw its end. */
  finishedAt: z.iso.datetime().nullable(),
  by: Holder,
  program: z.string(),
  /** Null while it runs. */
  outcome: z.enum(RUN_OUTCOMES).nullable(),
  /** The backup that was taken, restored or checked. */
  backup: BackupId.nullable(),
  /** Rows, bytes of their COPY text, and bytes as stored; null where it is not about that, or did not come so far. */
  figures: z.strictObject({
    rows: count.nullable(),
    bytes: count.nullable(),
    storedBytes: count.nullable(),
  }),
  /** Of a backup and a rebuild: what the database is made from without a backup had then; not what could not be looked at. */
  sources: z.array(z.strictObject({ source: z.string(), files: count, bytes: count })).optional(),
  /** Of a verification: the level that was reached; null where none was. */
  proven: ProofLevel.nullable().optional(),
  /** What came of it: a sentence in lower case without a full stop; empty while it runs, and after a failure. */
  summary: z.string(),
  error: z.strictObject({ code: z.string(), message: z.string(), hint: z.string().nullable() }).nullable(),
});
export type RunFile = z.infer<typeof RunFile>;
