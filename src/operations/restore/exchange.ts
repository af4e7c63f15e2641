import { AppError, isAppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { connectBeside } from "../../postgres/admin.ts";
import type { ConnectionSettings } from "../../postgres/connection.ts";
import { commentSql, type Marker, markSql } from "../../postgres/marker.ts";
import { isSqlState, quoteIdentifier, type Session } from "../../postgres/session.ts";

export interface Exchange {
  readonly server: ConnectionSettings;
  /** The name in question. */
  readonly live: string;
  /** What happens to the database that has the name now; null when there is none. */
  readonly replaced: {
    /** The name that it gets. */
    readonly aside: string;
    /** Makes its comment; `xid` is the exchange's transaction. */
    readonly marker: (xid: string) => Marker;
    /**
     * A session in it that may stay until the end and then looks a last time: nobody else is connected, nobody can
     * connect. It is closed by the exchange.
     */
    readonly watcher: { readonly session: Session; readonly lastLook: () => Promise<void> } | null;
  } | null;
  /** The database that gets the name, and its comment from then on. */
  readonly replacement: string;
  readonly comment: string | null;
}

// PostgreSQL waits five seconds for other sessions to leave a database before it gives up renaming it
// (CountOtherDBBackends in procarray.c); polling must be much finer.
const POLL_MS = 50;
// Whoever copies or alters the database itself holds what the rename waits for; meanwhile nobody can connect.
const LOCK_TIMEOUT_MS = 10_000;
const CLEAN_UP_MS = 30_000;

/**
 * Swaps two databases of one server by name, in one transaction on a connection to a third.
 *
 * The first rename takes the lock on the database that every new connection also needs, and then waits for sessions to
 * leave. So from that moment nobody can connect; the sessions that are left are ended; and a crash at any time rolls all
 * of it back. (Setting ALLOW_CONNECTIONS to false instead has to be committed, and a crash would leave the live database
 * closed for everybody.) Clients that try to connect meanwhile wait, and are then told to try again.
 *
 * Returns how many sessions of others in the database that was in place had to be ended.
 */
export async function exchangeDatabases(
  runtime: Runtime,
  exchange: Exchange,
  signal: AbortSignal,
): Promise<number> {
  const { server, live, replacement, replaced } = exchange;
  const avoid = [live, replacement, ...(replaced === null ? [] : [replaced.aside])];
  await using renaming = await connectBeside(runtime, server, avoid, signal);
  await using ending = await connectBeside(runtime, server, avoid, signal);
  if (!(await renaming.isDirect())) throw behindPooler(live);
  await endSessions(ending, await listSessions(ending, replacement));
  await renaming.query("begin");
  await renaming.query(`set local lock_timeout = ${LOCK_TIMEOUT_MS}`);
  const [row] = await renaming.query<{ xid: string }>("select pg_catalog.pg_current_xact_id()::text as xid");
  const xid = row?.xid ?? "";
  let ended = 0;
  if (replaced !== null) {
    ended = await setAside(runtime, { live, replaced, renaming, ending }, signal);
    await renaming.query(markSql(replaced.aside, replaced.marker(xid)));
  }
  await renaming.query(renameSql(replacement, live));
  await renaming.query(commentSql(live, exchange.comment));
  try {
    await renaming.query("commit");
  } catch (error) {
    // The answer may be lost while the work was done.
    if (!(await wasCommitted(runtime, exchange, avoid, xid, error))) throw error;
  }
  return ended;
}

function renameSql(from: string, to: string): string {
  return `alter database ${quoteIdentifier(from)} rename to ${quoteIdentifier(to)}`;
}

interface SetAside {
  readonly live: string;
  readonly replaced: NonNullable<Exchange["replaced"]>;
  readonly renaming: Session;
  readonly ending: Session;
}

async function setAside(
  runtime: Runtime,
  { live, replaced, renaming, ending }: SetAside,
  signal: AbortSignal,
): Promise<number> {
  const { aside, watcher } = replaced;
  let settled = false;
  const renamed = renaming.query(renameSql(live, aside)).finally(() => {
    settled = true;
  });
  // Awaited below; until then a failure must not count as unhandled.
  renamed.catch(() => undefined);
  let others: readonly Other[] = [];
  const ended = new Set<number>();
  try {
    const look = { live, spared: watcher?.session.backendPid, holder: renaming.backendPid };
    while (!settled) {
      const found = await findOthers(ending, look);
      if (found?.length === 0) break;
      // Before the lock is held they would only come back.
      if (found !== undefined) {
        await endSessions(ending, found);
        for (const { pid, application } of found) if (application !== OURS) ended.add(pid);
      }
      others = found ?? others;
      await runtime.clock.wait(POLL_MS, signal);
    }
    if (watcher !== null && !settled) await watcher.lastLook();
    await watcher?.session[Symbol.asyncDispose]();
    await renamed;
    return ended.size;
  } catch (error) {
    // Otherwise the rename would wait on for us, and the database stay closed as long. Should this fail as well, the end
    // of the session does the same a little later.
    if (!settled) {
      await ending
        .query("select pg_catalog.pg_cancel_backend($1)", [renaming.backendPid])
        .catch(() => undefined);
    }
    throw explain(live, others, error);
  }
}

// Sessions of our own in the live database were closed a moment ago, and the server may show them still.
const OURS = "handled";

interface Other {
  readonly pid: number;
  readonly user: string;
  readonly application: string;
}

/** Who else is connected; undefined while the rename does not hold its lock and anybody can still connect. */
async function findOthers(
  session: Session,
  { live, spared, holder }: { live: string; spared: number | undefined; holder: number },
): Promise<Other[] | undefined> {
  const locked = await session.query(
    `select from pg_catalog.pg_locks l where l.pid = $1 and l.granted and l.locktype = 'object'
        and l.classid = 'pg_catalog.pg_database'::regclass and l.mode = 'AccessExclusiveLock'`,
    [holder],
  );
  return locked.length === 0 ? undefined : await listSessions(session, live, spared);
}

async function listSessions(session: Session, database: string, spared?: number): Promise<Other[]> {
  // Of sessions of other users a role that is no superuser sees no type: each may be a client. What has no user
  // (autovacuum) writes nothing of its own, and the rename ends it.
  return await session.query<Other>(
    `select a.pid, a.usename as user, coalesce(a.application_name, '') as application
       from pg_catalog.pg_stat_activity a
      where a.datname = $1 and a.pid is distinct from $2 and a.usesysid is not null`,
    [database, spared ?? null],
  );
}

async function endSessions(session: Session, others: readonly Other[]): Promise<void> {
  for (const { pid } of others) {
    try {
      await session.query("select pg_catalog.pg_terminate_backend($1)", [pid]);
    } catch (error) {
      // It may leave by itself; if it does not, the rename gives up and we say who is there.
      if (!isAppError(error, "privilege_missing")) throw error;
    }
  }
}

/** After a lost connection: asks the server on a new one what has become of the transaction. */
async function wasCommitted(
  runtime: Runtime,
  { server, live }: Exchange,
  avoid: readonly string[],
  xid: string,
  error: unknown,
): Promise<boolean> {
  const signal = AbortSignal.timeout(CLEAN_UP_MS);
  try {
    await using session = await connectBeside(runtime, server, avoid, signal);
    for (;;) {
      const [row] = await session.query<{ status: string | null }>(
        "select pg_catalog.pg_xact_status($1::text::xid8) as status",
        [xid],
      );
      if (row?.status !== "in progress") return row?.status === "committed";
      await runtime.clock.wait(POLL_MS, signal);
    }
  } catch (cause) {
    throw new AppError("database_unreachable", `swap ${live}: the server was lost while it was to commit`, {
      cause: new AggregateError([error, cause]),
      hint: "the swap was made or not, as a whole: `handled restore DATABASE --undo --dry-run` tells",
    });
  }
}

// 55006 object_in_use: "database is being accessed by other users".
const OBJECT_IN_USE = "55006";

function explain(live: string, others: readonly Other[], error: unknown): unknown {
  if (isAppError(error, "lock_timeout")) {
    return new AppError("swap_refused", `swap ${live}: another session copies or alters the database`, {
      cause: error,
      hint: "wait until it has ended, then run the command again; nothing was changed",
    });
  }
  if (!isSqlState(error, OBJECT_IN_USE)) return error;
  const who = others
    .map(({ pid, user, application }) => `process ${pid} (user ${user}, ${application || "unnamed"})`)
    .join(", ");
  return new AppError(
    "swap_refused",
    `swap ${live}: sessions do not leave it: ${who || "the server does not say which"}`,
    {
      cause: error,
      hint: "stop what is connected, or let the role end sessions (`grant pg_signal_backend to …`), then run the command again; nothing was changed",
      details: { sessions: others },
    },
  );
}

function behindPooler(live: string): AppError {
  return new AppError(
    "swap_refused",
    `swap ${live}: the connection goes through a pooler, which may route each statement elsewhere`,
    {
      hint: "use the server's direct address (not PgBouncer's) in the URL",
    },
  );
}
