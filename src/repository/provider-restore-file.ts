import { z } from "zod";

const count = z.int().min(0);

/**
 * `records/provider/<time>-<8 hex digits>.json`: a managed service's own backup was restored into a new cluster, and that was
 * looked at. Written once, never changed.
 */
export const ProviderRestoreFile = z.strictObject({
  format: z.int().min(1),
  database: z.string(),
  /** When the restore began, and when it was checked. */
  startedAt: z.iso.datetime(),
  finishedAt: z.iso.datetime(),
  by: z.strictObject({ host: z.string(), user: z.string(), program: z.string() }),
  /** Identity and name in the service. */
  source: z.strictObject({ id: z.string(), name: z.string() }),
  cluster: z.strictObject({ id: z.string(), name: z.string() }),
  /** The moment that was asked for; `exact` where it is that of a backup. */
  at: z.iso.datetime(),
  exact: z.boolean(),
  /** The service's newest backup at or before that moment. */
  backup: z.iso.datetime(),
  /** Tables in the database, those with rows, those that nobody could look into, and its bytes on disk. */
  tables: count,
  filled: count,
  unread: count,
  bytes: count,
});
export type ProviderRestoreFile = z.infer<typeof ProviderRestoreFile>;
