import { AppError } from "../../errors.ts";
import { counted } from "../../lib/text.ts";
import { namingBlocker } from "../../postgres/blockers.ts";
import { isSqlState, quoteName, type Session } from "../../postgres/session.ts";

// No such table, no such schema, and no longer a table.
const VANISHED = ["42P01", "3F000", "42809"];
// A table list that changes under us this often belongs to a database in the middle of a migration.
const ATTEMPTS = 5;

/**
 * Opens a REPEATABLE READ transaction, locks every ordinary table outside the given schemas against writing, **then**
 * takes and exports its snapshot: a snapshot older than the locks would miss what was committed while we waited for
 * them, and the comparison, made with the same snapshot, would not notice. Returns the snapshot's name. Fails with
 * `lock_timeout`, naming who is in the way.
 * @param observer another session in the same database
 */
export async function holdOutside(
  live: Session,
  observer: Session,
  inside: readonly string[],
  lockTimeoutMs: number,
): Promise<string> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const before = await listTables(live, inside);
    await live.query("begin isolation level repeatable read");
    await live.query(`set local lock_timeout = ${Math.max(1, Math.round(lockTimeoutMs))}`);
    const wait = {
      operation: `lock ${counted(before.length, "table")}`,
      relations: before.map(({ oid }) => oid),
      modes: WRITING,
      waitedMs: lockTimeoutMs,
    };
    if (await namingBlocker(observer, wait, () => lockTables(live, before))) {
      const [row] = await live.query<{ snapshot: string }>(
        "select pg_catalog.pg_export_snapshot() as snapshot",
      );
      if (row !== undefined && sameTables(before, await listTables(live, inside))) return row.snapshot;
    }
    await live.query("rollback");
  }
  throw new AppError(
    "lock_timeout",
    `lock the tables: the list of tables changed ${ATTEMPTS} times meanwhile`,
    {
      hint: "a migration seems to be running; try again when it has ended",
    },
  );
}

// The modes that a lock in SHARE mode waits for.
const WRITING = [
  "RowExclusiveLock",
  "ShareUpdateExclusiveLock",
  "ShareRowExclusiveLock",
  "ExclusiveLock",
  "AccessExclusiveLock",
];

interface Table {
  readonly oid: number;
  readonly name: string;
}

async function listTables(session: Session, inside: readonly string[]): Promise<Table[]> {
  const rows = await session.query<{ oid: number; schema: string; name: string }>(
    `select c.oid::int8::float8 as oid, n.nspname as schema, c.relname as name
       from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where c.relkind = 'r' and c.relpersistence <> 't' and n.nspname <> 'information_schema' and n.nspname !~ '^pg_'
        and not n.nspname = any ($1) order by 2, 3`,
    [inside],
  );
  return rows.map(({ oid, schema, name }) => ({ oid, name: quoteName(schema, name) }));
}

/** False when a table vanished between listing and locking: list again. */
async function lockTables(session: Session, tables: readonly Table[]): Promise<boolean> {
  if (tables.length === 0) return true;
  try {
    await session.query(`lock table ${tables.map(({ name }) => `only ${name}`).join(", ")} in share mode`);
    return true;
  } catch (error) {
    if (VANISHED.some((state) => isSqlState(error, state))) return false;
    throw error;
  }
}

function sameTables(before: readonly Table[], after: readonly Table[]): boolean {
  const key = ({ oid, name }: Table): string => `${oid} ${name}`;
  return before.map(key).join() === after.map(key).join();
}
