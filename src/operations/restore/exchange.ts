import { AppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { connectBeside } from "../../postgres/admin.ts";
import type { ConnectionSettings } from "../../postgres/connection.ts";
import { commentSql, type Marker, markSql } from "../../postgres/marker.ts";
import { quoteIdentifier, type Session } from "../../postgres/session.ts";

export interface Exchange {
  readonly server: ConnectionSettings;
  /** The database that is in place. */
  readonly live: string;
  /** The one that takes its place, and that one's comment from then on. */
  readonly replacement: string;
  readonly comment: string | null;
  /** The name that `live` gets. */
  readonly aside: string;
  /** Makes the comment of the database set aside; `xid` is the exchange's transaction. */
  readonly marker: (xid: string) => Marker;
  /**
   * A session in `live` that may stay until the end and then looks a last time: nobody else is connected, nobody can
   * connect. It is closed by the exchange.
   */
  readonly watcher: { readonly session: Session; readonly lastLook: () => Promise<void> } | null;
}

// PostgreSQL waits five seconds for other sessions to leave a database before it gives up renaming it
// (CountOtherDBBackends in procarray.c); polling must be much finer.
const POLL_MS = 50;

/**
 * Swaps two databases of one server by name, in one transaction on a connection to a third.
 *
 * The first rename takes the lock on the database that every new connection also needs, and then waits for sessions to
 * leave. So from that moment nobody can connect; the sessions that are left are ended; and a crash at any time rolls all
 * of it back. (Setting ALLOW_CONNECTIONS to false instead has to be committed, and a crash would leave the live database
 * closed for everybody.) Clients that try to connect meanwhile wait, and are then told to try again.
 */
export async function exchangeDatabases(
  runtime: Runtime,
  exchange: Exchange,
  signal: AbortSignal,
): Promise<void> {
  const { server, live, replacement, aside } = exchange;
  const avoid = [live, replacement, aside];
  await using renaming = await connectBeside(runtime, server, avoid, signal);
  await using ending = await connectBeside(runtime, server, avoid, signal);
  if (!(await renaming.isDirect())) throw behindPooler(live);
  await endSessions(ending, replacement, []);
  await renaming.query("begin");
  const [row] = await renaming.query<{ xid: string }>("select pg_catalog.pg_current_xact_id()::text as xid");
  let settled = false;
  const renamed = renaming
    .query(`alter database ${quoteIdentifier(live)} rename to ${quoteIdentifier(aside)}`)
    .finally(() => {
      settled = true;
    });
  // Awaited below; until then a failure must not count as unhandled.
  renamed.catch(() => undefined);
  try {
    const watcherPid = exchange.watcher?.session.backendPid;
    while (!settled && !(await isAlone(ending, renaming, live, watcherPid))) {
      await endSessions(ending, live, watcherPid === undefined ? [] : [watcherPid]);
      await runtime.clock.wait(POLL_MS, signal);
    }
    if (exchange.watcher !== null && !settled) await exchange.watcher.lastLook();
    await exchange.watcher?.session[Symbol.asyncDispose]();
    await renamed;
    await renaming.query(`alter database ${quoteIdentifier(replacement)} rename to ${quoteIdentifier(live)}`);
    await renaming.query(commentSql(live, exchange.comment));
    await renaming.query(markSql(aside, exchange.marker(row?.xid ?? "")));
    await renaming.query("commit");
  } catch (error) {
    throw await explain(ending, live, error);
  }
}

/** True when the rename holds its lock and nobody but the watcher is connected to the live database. */
async function isAlone(
  session: Session,
  renaming: Session,
  live: string,
  watcherPid: number | undefined,
): Promise<boolean> {
  const [row] = await session.query<{ locked: boolean; others: string }>(
    `select exists (select from pg_catalog.pg_locks l where l.pid = $2 and l.granted and l.locktype = 'object'
                      and l.classid = 'pg_catalog.pg_database'::regclass and l.mode = 'AccessExclusiveLock') as locked,
            (select count(*) from pg_catalog.pg_stat_activity a
              where a.datname = $1 and a.backend_type = 'client backend' and a.pid is distinct from $3) as others`,
    [live, renaming.backendPid, watcherPid ?? null],
  );
  return row?.locked === true && Number(row.others) === 0;
}

async function endSessions(session: Session, database: string, spare: readonly number[]): Promise<void> {
  await session.query(
    `select pg_catalog.pg_terminate_backend(a.pid) from pg_catalog.pg_stat_activity a
      where a.datname = $1 and a.backend_type = 'client backend' and not a.pid = any ($2::int[])`,
    [database, spare],
  );
}

async function explain(session: Session, live: string, error: unknown): Promise<unknown> {
  if (!(error instanceof AppError) || error.details["sqlState"] !== OBJECT_IN_USE) return error;
  const rows = await session.query<{ pid: number; user: string; application: string }>(
    `select a.pid, coalesce(a.usename, '?') as user, coalesce(a.application_name, '') as application
       from pg_catalog.pg_stat_activity a where a.datname = $1`,
    [live],
  );
  const who = rows
    .map((row) => `process ${row.pid} (user ${row.user}, ${row.application || "unnamed"})`)
    .join(", ");
  return new AppError(
    "swap_refused",
    `swap ${live}: sessions do not leave it: ${who || "none is visible any more"}`,
    {
      cause: error,
      hint: "stop what is connected, then run the command again; nothing was changed",
    },
  );
}

// 55006 object_in_use: "database is being accessed by other users".
const OBJECT_IN_USE = "55006";

function behindPooler(live: string): AppError {
  return new AppError(
    "swap_refused",
    `swap ${live}: the connection goes through a pooler, which may route each statement elsewhere`,
    {
      hint: "use the server's direct address (not PgBouncer's) in the URL",
    },
  );
}
