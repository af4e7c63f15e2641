import { AppError } from "../../errors.ts";
import { formatBytes } from "../../lib/text.ts";
import type { Session } from "../../postgres/session.ts";
import { serverFreeBytes } from "../../postgres/space.ts";

// Indexes and free space in pages differ from the source by a little; a full disk in the last minute costs the most.
const MARGIN = 1.1;

export interface SpaceNeed {
  /** Bytes that the backup takes in a database. */
  readonly stored: number;
  /** How many databases hold the whole of it at the same time. */
  readonly copies: number;
  /** The database of which everything else is copied as well; null when nothing is. */
  readonly copied: string | null;
}

/** Fails with `space_missing` when the server's disk certainly cannot take what is to be restored. */
export async function requireServerSpace(admin: Session, need: SpaceNeed): Promise<void> {
  const free = await serverFreeBytes(admin);
  if (free === undefined) return;
  const once = Math.max(need.stored, need.copied === null ? 0 : await databaseBytes(admin, need.copied));
  const data = Math.round(once * MARGIN * need.copies);
  // All of it passes through the write-ahead log, which grows to its own limit first. A server that cannot write its log
  // stops, with every database that it serves.
  const needed = data + Math.min(data, await logLimit(admin));
  if (needed <= free) return;
  throw new AppError(
    "space_missing",
    `look for space on the server: about ${formatBytes(needed)} are needed, its disk has ${formatBytes(free)} free`,
    {
      hint: "free some space (`handled doctor` lists databases kept after a swap), or restore to another server (`--to`)",
    },
  );
}

/** Bytes that the log takes before it is recycled. */
async function logLimit(admin: Session): Promise<number> {
  const [row] = await admin.query<{ bytes: string }>(
    "select pg_catalog.pg_size_bytes(pg_catalog.current_setting('max_wal_size')) as bytes",
  );
  return Number(row?.bytes ?? 0);
}

async function databaseBytes(admin: Session, database: string): Promise<number> {
  const [row] = await admin.query<{ bytes: string }>(
    "select pg_catalog.pg_database_size(oid) as bytes from pg_catalog.pg_database where datname = $1",
    [database],
  );
  return Number(row?.bytes ?? 0);
}
