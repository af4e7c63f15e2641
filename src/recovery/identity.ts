import { AppError, isAppError } from "../errors.ts";
import type { Runtime } from "../lib/runtime.ts";
import { splitByProof } from "../operations/damage-found.ts";
import { listPlaces } from "../operations/list-places.ts";
import type { ConnectionSettings } from "../postgres/connection.ts";
import { connect } from "../postgres/session.ts";
import { manifestFromPlaces } from "./steps/stored-backup.ts";
import { describeTarget, type Subject } from "./subject.ts";

const MOST_NAMED = 5;

/**
 * Looks whether a database that somebody else has restored is the one that was lost, before anything is pointed at it: most tables of
 * our newest backup are there. Some may have been dropped or renamed since, which is told. Without a backup of ours to compare with,
 * that is told. Fails with `rows_differ`, and as connecting does.
 */
export async function requireSameDatabase(
  runtime: Runtime,
  subject: Subject,
  settings: ConnectionSettings,
  signal: AbortSignal,
): Promise<void> {
  await using session = await connect(runtime, settings, signal);
  const expected = await tablesOfNewest(runtime, subject, signal);
  if (expected === null) return;
  const rows = await session.query<{ name: string }>(
    `select n.nspname || '.' || c.relname as name
       from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where c.relkind in ('r', 'p', 'm', 'f')`,
  );
  const there = new Set(rows.map(({ name }) => name));
  const lacking = expected.tables.filter((name) => !there.has(name));
  if (lacking.length === 0) return;
  const named = `${lacking.slice(0, MOST_NAMED).join(", ")}${lacking.length > MOST_NAMED ? " …" : ""}`;
  const what = `check ${describeTarget(settings)}: ${lacking.length} of the ${expected.tables.length} tables of ${expected.id} are not in it: ${named}`;
  if (lacking.length * 2 > expected.tables.length)
    throw new AppError("rows_differ", what, {
      hint: "it seems to be another database; does `database` of the provider name the right one?",
    });
  runtime.reporter.warn(what);
}

/** Tables of our newest backup that can be relied on; null where there is none. */
async function tablesOfNewest(
  runtime: Runtime,
  { database, places, timeZone }: Subject,
  signal: AbortSignal,
): Promise<{ readonly id: string; readonly tables: readonly string[] } | null> {
  try {
    const { backups, proofs } = await listPlaces(runtime, places, database, timeZone, signal);
    const [newest] = splitByProof(backups, proofs).good;
    if (newest === undefined) throw new AppError("backup_missing", `there is no backup of ${database}`);
    const manifest = await manifestFromPlaces(runtime, { database, places }, newest.id, signal);
    return { id: newest.id, tables: manifest?.tables.map(({ schema, name }) => `${schema}.${name}`) ?? [] };
  } catch (error) {
    signal.throwIfAborted();
    if (!isAppError(error)) throw error;
    runtime.reporter.warn(`whether it is the right database cannot be compared with ours: ${error.message}`);
    return null;
  }
}
