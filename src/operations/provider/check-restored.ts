import { AppError, isAppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import type { ConnectionSettings } from "../../postgres/connection.ts";
import { connect, quoteName } from "../../postgres/session.ts";

export interface RestoredContent {
  readonly tables: number;
  /** How many of the tables have at least one row, of those that may be read. */
  readonly filled: number;
  /** Tables that the service's administrator, who is no superuser, may not read: nobody knows what is in them. */
  readonly unread: readonly string[];
  /** On the server's disk. */
  readonly bytes: number;
}

const TABLES = `
  select n.nspname as schema, c.relname as name,
         pg_catalog.has_schema_privilege(n.oid, 'usage') and pg_catalog.has_table_privilege(c.oid, 'select') as readable
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
   where c.relkind = 'r' and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
   order by 1, 2`;

// A new name takes a while to be known, and so do trusted sources to be heeded.
const PATIENCE_MS = 60_000;
const FIRST_WAIT_MS = 1000;

/** Looks into a new cluster's database as soon as it lets anybody in; waits a minute for that. */
export async function checkRestored(
  runtime: Runtime,
  connection: ConnectionSettings,
  signal: AbortSignal,
): Promise<RestoredContent> {
  let waited = 0;
  for (let wait = FIRST_WAIT_MS; ; wait *= 2) {
    try {
      return await lookInto(runtime, connection, signal);
    } catch (error) {
      if (!isAppError(error, "database_unreachable")) throw error;
      if (waited >= PATIENCE_MS)
        throw new AppError(error.code, `check the new cluster: ${error.message}`, {
          hint: "is this machine among the trusted sources of the old cluster? the new one has the same",
          cause: error,
        });
      await runtime.clock.wait(Math.min(wait, PATIENCE_MS - waited), signal);
      waited += wait;
    }
  }
}

/**
 * Connects to a restored database and looks whether something is in it. An empty one is no recovery: `rows_differ`. One whose
 * tables may not be read is no reason to give it up.
 */
async function lookInto(
  runtime: Runtime,
  connection: ConnectionSettings,
  signal: AbortSignal,
): Promise<RestoredContent> {
  await using session = await connect(runtime, connection, signal);
  const tables = await session.query<{ schema: string; name: string; readable: boolean }>(TABLES);
  let filled = 0;
  const unread: string[] = [];
  for (const { schema, name, readable } of tables) {
    if (!readable) {
      unread.push(`${schema}.${name}`);
      continue;
    }
    const [row] = await session.query<{ some: boolean }>(
      `select exists (select from only ${quoteName(schema, name)}) as some`,
    );
    if (row?.some === true) filled++;
  }
  const [size] = await session.query<{ bytes: string }>(
    "select pg_catalog.pg_database_size(pg_catalog.current_database())::pg_catalog.text as bytes",
  );
  if (filled === 0 && unread.length === 0)
    throw new AppError(
      "rows_differ",
      `check ${connection.database}: the restored database has no rows at all`,
      {
        hint: "does `database` of the provider name the right one?",
      },
    );
  return { tables: tables.length, filled, unread, bytes: Number(size?.bytes ?? 0) };
}
