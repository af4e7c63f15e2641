import { AppError, isAppError } from "../errors.ts";
import { formatDuration } from "../lib/text.ts";
import { quoteName, type Session } from "./session.ts";

/** A session that has, or waits for, a lock which excludes ours. */
interface Blocker {
  readonly relation: string;
  /** Null for a prepared transaction. */
  readonly pid: number | null;
  /** False when it waits itself: whoever asks after it queues behind it all the same. */
  readonly granted: boolean;
  /** Whom it waits for, our own sessions left out. */
  readonly behind: readonly number[];
  readonly user: string;
  readonly application: string;
  readonly state: string;
  readonly since: string;
}

export interface LockWait {
  /** Who waited for what: `lock 3 tables`. Used when nobody is found in the way any more. */
  readonly operation: string;
  /** Oids of what it may have been; null for anything in the session's database. */
  readonly relations: readonly number[] | null;
  /** The modes that were in the way; left out, the one that excludes reading. */
  readonly modes?: readonly string[];
  readonly waitedMs: number;
}

/**
 * Runs work whose waits for locks are bounded by `lock_timeout`; when one was given up, the error names the relation
 * and the session in the way.
 * @param observer another session than the one that waits, for that may be in a failed transaction
 */
export async function namingBlocker<T>(
  observer: Session,
  wait: LockWait,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw isAppError(error, "lock_timeout") ? await lockTimeout(observer, wait, error) : error;
  }
}

/** The `lock_timeout` error for a wait that was given up. */
export async function lockTimeout(session: Session, wait: LockWait, cause?: unknown): Promise<AppError> {
  const blockers = await findBlockers(session, wait);
  const [first] = blockers;
  const waited = `no lock within ${formatDuration(wait.waitedMs)}`;
  if (first === undefined) {
    return new AppError("lock_timeout", `${wait.operation}: ${waited}`, {
      cause,
      hint: "the session that held it is gone by now: try again",
    });
  }
  return new AppError("lock_timeout", `lock ${first.relation}: ${waited}; ${describe(first)}`, {
    cause,
    hint: hintFor(first),
    details: { blockers },
  });
}

function describe({ pid, granted, behind, user, application, state, since }: Blocker): string {
  if (pid === null) return "held by a prepared transaction";
  const who = `process ${pid} (user ${user}, application ${application || "unnamed"}, ${state} since ${since})`;
  if (granted) return `held by ${who}`;
  const root = behind.length === 0 ? "" : `, behind process ${behind.join(", ")}`;
  return `${who} waits to change it${root}`;
}

function hintFor({ pid, granted, behind }: Blocker): string {
  if (pid === null) return "`select * from pg_prepared_xacts` shows it; commit or roll it back";
  const culprit = granted ? pid : (behind[0] ?? pid);
  return `wait for it, or end it with \`select pg_terminate_backend(${culprit})\``;
}

/** Those that have the lock come first. Their SQL is not told: it may hold data. */
async function findBlockers(
  session: Session,
  { relations, modes = ["AccessExclusiveLock"] }: LockWait,
): Promise<Blocker[]> {
  const rows = await session.query<Omit<Blocker, "relation"> & { schema: string; name: string }>(
    `select n.nspname as schema, c.relname as name, l.pid, l.granted,
            coalesce(a.usename, 'unknown') as user, coalesce(a.application_name, '') as application,
            coalesce(a.state, 'unknown') as state,
            coalesce(to_char(a.xact_start at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"'), 'unknown') as since,
            case when l.granted then '{}'
                 else array(select b.pid from pg_catalog.pg_stat_activity b
                             where b.pid = any (pg_catalog.pg_blocking_pids(l.pid)) and b.application_name !~ '^handled')
            end as behind
       from pg_catalog.pg_locks l
       join pg_catalog.pg_class c on c.oid = l.relation join pg_catalog.pg_namespace n on n.oid = c.relnamespace
       left join pg_catalog.pg_stat_activity a on a.pid = l.pid
      where l.locktype = 'relation' and l.mode = any ($2)
        and l.database = (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database())
        and case when $1::oid[] is null then n.nspname <> 'information_schema' and n.nspname !~ '^pg_'
                 else c.oid = any ($1) end
      order by l.granted desc, a.xact_start nulls first, 1, 2`,
    [relations, modes],
  );
  return rows.map(({ schema, name, ...blocker }) => ({ relation: quoteName(schema, name), ...blocker }));
}
