import { AppError, isAppError } from "../errors.ts";
import type { Runtime } from "../lib/runtime.ts";
import { type ConnectionSettings, withDatabase } from "./connection.ts";
import { connect, quoteIdentifier, type Session } from "./session.ts";

// Databases that nearly every server has; `defaultdb` is the one of managed services.
const MAINTENANCE = ["postgres", "defaultdb", "template1"];

/**
 * Connects to the settings' server, but to a database other than any of `avoid`: creating, renaming and dropping a
 * database is done from another one.
 */
export async function connectBeside(
  runtime: Runtime,
  settings: ConnectionSettings,
  avoid: readonly string[],
  signal: AbortSignal,
): Promise<Session> {
  let refused: unknown;
  for (const database of MAINTENANCE.filter((name) => !avoid.includes(name))) {
    try {
      return await connect(runtime, withDatabase(settings, database), signal);
    } catch (error) {
      if (!isAppError(error, "login_refused") && !isAppError(error, "privilege_missing")) throw error;
      refused = error;
    }
  }
  throw new AppError(
    "login_refused",
    `connect beside ${avoid.join(", ")}: none of ${MAINTENANCE.join(", ")} lets us in${refused instanceof Error ? `: ${refused.message}` : ""}`,
    {
      cause: refused,
      hint: "databases are created and renamed from another database; allow connections to one of them",
    },
  );
}

export async function databaseExists(session: Session, name: string): Promise<boolean> {
  const rows = await session.query("select from pg_catalog.pg_database where datname = $1", [name]);
  return rows.length > 0;
}

/** Ends the database's sessions and drops it; one that is not there is no error. */
export async function dropDatabase(session: Session, name: string): Promise<void> {
  await session.query(`drop database if exists ${quoteIdentifier(name)} with (force)`);
}

/**
 * Objects that somebody made: tables, views, sequences, functions, types and schemas outside the system's schemas and
 * extensions, and large objects.
 */
export async function countUserObjects(session: Session): Promise<number> {
  // Only what can be a member of an extension is looked for: an index or the row type of one belongs to it indirectly.
  const schemas = `n.nspname <> 'information_schema' and n.nspname !~ '^pg_'`;
  const own = (classId: string, oid: string): string =>
    `not exists (select from pg_catalog.pg_depend e where e.classid = '${classId}'::regclass and e.objid = ${oid} and e.deptype = 'e')`;
  const [row] = await session.query<{ count: string }>(
    `select (select count(*) from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
              where ${schemas} and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and ${own("pg_catalog.pg_class", "c.oid")})
          + (select count(*) from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
              where ${schemas} and ${own("pg_catalog.pg_proc", "p.oid")})
          + (select count(*) from pg_catalog.pg_type t join pg_catalog.pg_namespace n on n.oid = t.typnamespace
              where ${schemas} and ${own("pg_catalog.pg_type", "t.oid")} and (t.typtype in ('d', 'e', 'r')
                 or exists (select from pg_catalog.pg_class c where c.oid = t.typrelid and c.relkind = 'c')))
          + (select count(*) from pg_catalog.pg_namespace n where ${schemas} and n.nspname <> 'public'
              and ${own("pg_catalog.pg_namespace", "n.oid")})
          + (select count(*) from pg_catalog.pg_largeobject_metadata) as count`,
  );
  return Number(row?.count);
}
