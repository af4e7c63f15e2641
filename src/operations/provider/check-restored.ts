import { AppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import type { ConnectionSettings } from "../../postgres/connection.ts";
import { connect, quoteName } from "../../postgres/session.ts";

export interface RestoredContent {
  readonly tables: number;
  /** How many of the tables have at least one row. */
  readonly filled: number;
  /** On the server's disk. */
  readonly bytes: number;
}

const TABLES = `
  select n.nspname as schema, c.relname as name
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
   where c.relkind = 'r' and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'`;

/** Connects to a restored database and looks whether something is in it. An empty one is no recovery: `rows_differ`. */
export async function checkRestored(
  runtime: Runtime,
  connection: ConnectionSettings,
  signal: AbortSignal,
): Promise<RestoredContent> {
  await using session = await connect(runtime, connection, signal);
  const tables = await session.query<{ schema: string; name: string }>(TABLES);
  let filled = 0;
  for (const { schema, name } of tables) {
    const [row] = await session.query<{ some: boolean }>(
      `select exists (select from only ${quoteName(schema, name)}) as some`,
    );
    if (row?.some === true) filled++;
  }
  const [size] = await session.query<{ bytes: string }>(
    "select pg_catalog.pg_database_size(pg_catalog.current_database())::pg_catalog.text as bytes",
  );
  if (filled === 0)
    throw new AppError(
      "rows_differ",
      `check ${connection.database}: the restored database has no rows at all`,
      {
        hint: "does `database` of the provider name the right one?",
      },
    );
  return { tables: tables.length, filled, bytes: Number(size?.bytes ?? 0) };
}
