import { z } from "zod";
import { Holder } from "./manifest.ts";
import { RUN_ID } from "./run-file.ts";

const milliseconds = z.int().min(0);

/** `recover` was for real; a drill touched nothing of production. */
export const RECOVERY_KINDS = ["recover", "drill"] as const;

/** How one ended: `interrupted` was stopped, or its process is gone. */
export const RECOVERY_OUTCOMES = ["done", "failed", "interrupted"] as const;

/** What became of one step of the plan. */
const RecoveryStep = z.strictObject({
  id: z.string(),
  title: z.string(),
  budgetMs: milliseconds,
  /** Null where it did not begin, and where nobody saw how long it took. */
  ms: milliseconds.nullable(),
  outcome: z.enum(["done", "failed", "not begun"]),
});

export type RecoveryStep = z.infer<typeof RecoveryStep>;

/**
 * `records/recoveries/begun/<id>.json` while it runs, `records/recoveries/<id>.json` once it has ended; in the folder of each
 * database that it brings back.
 */
export const RecoveryFile = z.strictObject({
  format: z.int().min(1),
  id: z.string().regex(RUN_ID),
  kind: z.enum(RECOVERY_KINDS),
  scenario: z.string(),
  databases: z.array(z.string()).min(1),
  /** The strategy's drill that it belongs to; null for one by hand. */
  entry: z.string().nullable(),
  /** Of a recovery that was gone on with: its first beginning. */
  startedAt: z.iso.datetime(),
  /** Null while it runs, and where nobody saw its end. */
  finishedAt: z.iso.datetime().nullable(),
  by: Holder,
  program: z.string(),
  /** Null while it runs. */
  outcome: z.enum(RECOVERY_OUTCOMES).nullable(),
  /** A backup's id, or in words what else it was brought back from; null where it did not come so far. */
  from: z.string().nullable(),
  budgetMs: milliseconds,
  steps: z.array(RecoveryStep),
  /** How long all of it took; null unless it is done. */
  rtoMs: milliseconds.nullable(),
  /** How long before its beginning the moment lies that it brings back; null where that is not known. */
  dataLostMs: milliseconds.nullable(),
  error: z.strictObject({ code: z.string(), message: z.string(), hint: z.string().nullable() }).nullable(),
  /** What whoever ran it had to say; empty where nothing. */
  note: z.string(),
});
export type RecoveryFile = z.infer<typeof RecoveryFile>;

/** `records/recoveries/notes/<id>.json`: what somebody learned from one afterwards. Written once, never changed. */
export const RecoveryNoteFile = z.strictObject({
  format: z.int().min(1),
  /** The recovery's or drill's id. */
  recovery: z.string().regex(RUN_ID),
  at: z.iso.datetime(),
  host: z.string(),
  user: z.string(),
  note: z.string(),
});
export type RecoveryNoteFile = z.infer<typeof RecoveryNoteFile>;
