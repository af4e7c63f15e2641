import { AppError } from "../errors.ts";
import { counted } from "../lib/text.ts";
import { namingBlocker } from "./blockers.ts";
import { listConfigurationTables, listRelations, type Relation } from "./catalog.ts";
import { isSqlState, quoteLiteral, quoteName, type Session } from "./session.ts";

// No such table, no such schema, and no longer a table.
const VANISHED = ["42P01", "3F000", "42809"];
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
    const listed = await listLockable(session, schemas);
    await session.query("begin isolation level repeatable read read only");
    await session.query("set local row_security = off");
    await session.query(`set local lock_timeout = ${Math.max(1, Math.round(lockTimeoutMs))}`);
    const { tables } = listed;
    const wait = {
      operation: `lock ${counted(tables.length, "table")}`,
      relations: tables.map((table) => table.oid),
      waitedMs: lockTimeoutMs,
    };
    if (!(await namingBlocker(observerSession, wait, () => lockTables(session, tables)))) {
      await session.query("rollback");
      continue;
    }
    const [row] = await session.query<{ snapshot: string; now: Date }>(
      "select pg_catalog.pg_export_snapshot() as snapshot, pg_catalog.clock_timestamp() as now",
    );
    const now = await listLockable(session, schemas);
    if (row !== undefined && sameTables(tables, now.tables)) {
      return { name: row.snapshot, takenAt: row.now, relations: now.relations };
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

// What SET TRANSACTION SNAPSHOT says of a snapshot whose file is gone (ImportSnapshot in snapmgr.c): that its name is no valid
// one, and since PostgreSQL 17 that there is no such object.
const GONE = ["22023", "42704"];

/**
 * Opens a read-only transaction on the session that sees what the exported snapshot sees.
 * @param name the snapshot's, of a transaction that is still open elsewhere
 * @throws `database_unreachable` when the session that exported it has ended: nothing else takes a snapshot away
 */
export async function joinSnapshot(session: Session, name: string): Promise<void> {
  await session.query("begin isolation level repeatable read read only");
  try {
    await session.query(`set transaction snapshot ${quoteLiteral(name)}`);
  } catch (cause) {
    if (!GONE.some((state) => isSqlState(cause, state))) throw cause;
    throw new AppError(
      "database_unreachable",
      `join snapshot ${name}: the session that held it open has ended`,
      { cause, hint: "check the server's log for what ended it, then run the command again" },
    );
  }
}

type Lockable = Pick<Relation, "oid" | "schema" | "name">;

async function listLockable(
  session: Session,
  schemas: readonly string[] | null,
): Promise<{ relations: Relation[]; tables: Lockable[] }> {
  const relations = await listRelations(session, schemas);
  const own = relations.filter((relation) => relation.kind === "table" || relation.kind === "partitioned");
  return { relations, tables: [...own, ...(await listConfigurationTables(session, schemas))] };
}

function sameTables(a: readonly Lockable[], b: readonly Lockable[]): boolean {
  const key = (relation: Lockable): string => `${relation.oid} ${quoteName(relation.schema, relation.name)}`;
  const known = new Set(a.map(key));
  return a.length === b.length && b.every((relation) => known.has(key(relation)));
}

/** False when a table vanished between listing and locking: list again. */
async function lockTables(session: Session, tables: readonly Lockable[]): Promise<boolean> {
  if (tables.length === 0) return true;
  const names = tables.map((table) => `only ${quoteName(table.schema, table.name)}`);
  try {
    await session.query(`lock table ${names.join(", ")} in access share mode`);
    return true;
  } catch (error) {
    if (VANISHED.some((state) => isSqlState(error, state))) return false;
    throw error;
  }
}
