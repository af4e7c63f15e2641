import { z } from "zod";

const milliseconds = z.int().min(0);

/** A query that a restored copy was asked, and what it said. */
export const AssertionResult = z.strictObject({
  /** Null where it has none but its SQL. */
  name: z.string().nullable(),
  /** As it was written, without secrets. */
  sql: z.string(),
  outcome: z.enum(["true", "false", "null", "no row", "several rows", "not boolean", "timed out", "error"]),
  /** Why it does not hold; null where it does. */
  reason: z.string().nullable(),
  ms: milliseconds,
});
export type AssertionResult = z.infer<typeof AssertionResult>;

/** What came of the application on a restored copy. */
export const ApplicationResult = z.strictObject({
  outcome: z.enum(["healthy", "failed"]),
  /** Why it failed; null where it did not. */
  reason: z.string().nullable(),
  /** From its start to the answer, or to the failure. */
  ms: milliseconds,
});
export type ApplicationResult = z.infer<typeof ApplicationResult>;
