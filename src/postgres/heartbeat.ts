import { isAppError } from "../errors.ts";
import type { Runtime } from "../lib/runtime.ts";
import type { Session } from "./session.ts";

/** Whether a table is the one that holds the heartbeat: it changes with every backup, and is no news. */
export function isHeartbeat({ schema, name }: { readonly schema: string; readonly name: string }): boolean {
  return schema === "handled" && name === "heartbeat";
}

// A lock on it must not hold a backup up.
const LOCK_TIMEOUT_MS = 2000;

const FIND_SQL = "select pg_catalog.to_regclass('handled.heartbeat') is not null as there";

/**
 * Writes down in the database itself that it is about to be backed up, by the clock of this machine, which databases on several
 * servers have in common. Makes the table `handled.heartbeat` where it is not there. That it cannot be written is told, and is
 * no reason not to back up.
 * @param database the name in the strategy: several may be of one database of the server
 * @param schemas what is backed up; null: all
 */
export async function writeHeartbeat(
  runtime: Runtime,
  session: Session,
  { database, schemas }: { readonly database: string; readonly schemas: readonly string[] | null },
  signal: AbortSignal,
): Promise<void> {
  if (schemas !== null && !schemas.includes("handled"))
    runtime.reporter.warn(
      `the heartbeat of ${database} is written, and not in its backups: add \`handled\` to its schemas`,
    );
  try {
    await session.query("begin read write");
    await session.query(`set local lock_timeout = ${LOCK_TIMEOUT_MS}`);
    const [found] = await session.query<{ there: boolean }>(FIND_SQL);
    if (found?.there !== true) for (const sql of MAKE_SQL) await session.query(sql);
    await session.query(
      `insert into handled.heartbeat (database, at) values ($1, $2)
         on conflict (database) do update set at = excluded.at`,
      [database, runtime.clock.now().toISOString()],
    );
    await session.query("commit");
  } catch (error) {
    signal.throwIfAborted();
    // A connection that is gone has rolled back by itself, and is told by what comes next.
    await session.query("rollback").catch(() => undefined);
    if (!isAppError(error)) throw error;
    runtime.reporter.warn(
      `the heartbeat of ${database} is not written: ${error.message}; let its role make a schema, or take \`heartbeat\` out of the strategy`,
    );
  }
}

// Whoever backs up reads it, whoever made it.
const MAKE_SQL = [
  "create schema if not exists handled",
  "grant usage on schema handled to public",
  "create table handled.heartbeat (database text primary key, at timestamptz not null)",
  "grant select on handled.heartbeat to public",
];

/** When the heartbeat of a database was last written before what this session sees; undefined where it never was. */
export async function readHeartbeat(session: Session, database: string): Promise<Date | undefined> {
  const [found] = await session.query<{ there: boolean }>(FIND_SQL);
  if (found?.there !== true) return undefined;
  const [row] = await session.query<{ at: Date }>("select at from handled.heartbeat where database = $1", [
    database,
  ]);
  return row?.at;
}
