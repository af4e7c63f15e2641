import { AppError } from "../errors.ts";
import { counted } from "../lib/text.ts";
import { listRelations, type Relation } from "./catalog.ts";
import { isSqlState, quoteName, type Session } from "./session.ts";

const LOCK_NOT_AVAILABLE = "55P03";
const UNDEFINED_TABLE = "42P01";
// A table list that changes under us this often belongs to a database in the middle of a migration.
const ATTEMPTS = 5;

export interface HeldSnapshot {
  /** For `pg_dump --snapshot` and `SET TRANSACTION SNAPSHOT`. Valid while the session's transaction lasts. */
  readonly name: string;
  readonly takenAt: Date;
  readonly relations: readonly Relation[];
}

/**
 * Opens a read-only REPEATABLE READ transaction on the session, locks every table of the chosen schemas ACCESS SHARE
 * and only then takes and exports a snapshot. In that order, because TRUNCATE and table rewrites are not MVCC-safe: a
 * snapshot older than the lock could read an emptied table. Fails with `lock_timeout`, naming the blocking session.
 */
export async function holdSnapshot(
  session: Session,
  observerSession: Session,
  schemas: readonly string[] | null,
  lockTimeoutMs: number,
): Promise<HeldSnapshot> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const before = await listRelations(session, schemas);
    await session.query("begin isolation level repeatable read read only");
    await session.query("set local row_security = off");
    await session.query(`set local lock_timeout = ${Math.max(1, Math.round(lockTimeoutMs))}`);
    if (!(await lockTables(session, observerSession, lockable(before), lockTimeoutMs))) {
      await session.query("rollback");
      continue;
    }
    const [row] = await session.query<{ snapshot: string; now: Date }>(
      "select pg_catalog.pg_export_snapshot() as snapshot, pg_catalog.clock_timestamp() as now",
    );
    const relations = await listRelations(session, schemas);
    if (row !== undefined && sameTables(lockable(before), lockable(relations))) {
      return { name: row.snapshot, takenAt: row.now, relations };
    }
    await session.query("rollback");
  }
  throw new AppError(
    "lock_timeout",
    `lock the tables: the list of tables changed ${ATTEMPTS} times meanwhile`,
    {
      hint: "a migration seems to be running; try again when it has ended",
    },
  );
}

const lockable = (relations: readonly Relation[]): Relation[] =>
  relations.filter((relation) => relation.kind === "table" || relation.kind === "partitioned");

function sameTables(a: readonly Relation[], b: readonly Relation[]): boolean {
  const key = (relation: Relation): string => `${relation.oid} ${quoteName(relation.schema, relation.name)}`;
  const known = new Set(a.map(key));
  return a.length === b.length && b.every((relation) => known.has(key(relation)));
}

/** False when a table vanished between listing and locking: list again. */
async function lockTables(
  session: Session,
  observerSession: Session,
  tables: readonly Relation[],
  lockTimeoutMs: number,
): Promise<boolean> {
  if (tables.length === 0) return true;
  const names = tables.map((table) => `only ${quoteName(table.schema, table.name)}`);
  try {
    await session.query(`lock table ${names.join(", ")} in access share mode`);
    return true;
  } catch (error) {
    if (isSqlState(error, UNDEFINED_TABLE)) return false;
    if (isSqlState(error, LOCK_NOT_AVAILABLE))
      throw await lockTimeout(observerSession, tables, lockTimeoutMs, error);
    throw error;
  }
}

async function lockTimeout(
  session: Session,
  tables: readonly Relation[],
  lockTimeoutMs: number,
  cause: unknown,
): Promise<AppError> {
  const blockers = await findBlockers(session, tables);
  const [first] = blockers;
  const waited = `no lock within ${lockTimeoutMs / 1000} s`;
  if (first === undefined) {
    return new AppError("lock_timeout", `lock ${counted(tables.length, "table")}: ${waited}`, {
      cause,
      hint: "the session that held it is gone by now: try again",
    });
  }
  if (first.pid === null) {
    return new AppError("lock_timeout", `lock ${first.table}: ${waited}; held by a prepared transaction`, {
      cause,
      hint: "`select * from pg_prepared_xacts` shows it; commit or roll it back",
      details: { blockers },
    });
  }
  return new AppError(
    "lock_timeout",
    `lock ${first.table}: ${waited}; held by process ${first.pid} (user ${first.user}, application ${first.application || "unnamed"}, ${first.state} since ${first.since})`,
    {
      cause,
      hint: `wait for it, or end it with \`select pg_terminate_backend(${first.pid})\``,
      details: { blockers },
    },
  );
}

interface Blocker {
  readonly table: string;
  /** Null for a prepared transaction. */
  readonly pid: number | null;
  readonly user: string;
  readonly application: string;
  readonly state: string;
  readonly since: string;
}

/** Sessions that hold the one lock which excludes reading, on any of the tables. Their SQL is not told: it may hold data. */
async function findBlockers(session: Session, tables: readonly Relation[]): Promise<Blocker[]> {
  const rows = await session.query<Omit<Blocker, "table"> & { schema: string; name: string }>(
    `select n.nspname as schema, c.relname as name, l.pid, coalesce(a.usename, 'unknown') as user,
            coalesce(a.application_name, '') as application, coalesce(a.state, 'unknown') as state,
            coalesce(to_char(a.xact_start at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"'), 'unknown') as since
       from pg_catalog.pg_locks l
       join pg_catalog.pg_class c on c.oid = l.relation join pg_catalog.pg_namespace n on n.oid = c.relnamespace
       left join pg_catalog.pg_stat_activity a on a.pid = l.pid
      where l.locktype = 'relation' and l.granted and l.mode = 'AccessExclusiveLock'
        and l.database = (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database())
        and c.oid = any ($1::oid[])`,
    [tables.map((table) => table.oid)],
  );
  return rows.map(({ schema, name, ...blocker }) => ({ table: quoteName(schema, name), ...blocker }));
}
