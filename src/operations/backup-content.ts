import type { DumpFacts } from "../engines/archive/inspect-dump.ts";
import { AppError, isAppError } from "../errors.ts";
import { runForText } from "../lib/process.ts";
import type { Runtime } from "../lib/runtime.ts";
import { counted } from "../lib/text.ts";
import { readSequences, type Relation } from "../postgres/catalog.ts";
import { clientProgram, type PostgresClient } from "../postgres/clients.ts";
import { toolEnvironment } from "../postgres/connection.ts";
import { listExtensions } from "../postgres/extensions.ts";
import { readProperties } from "../postgres/properties.ts";
import { quoteName, type Session } from "../postgres/session.ts";
import type { ArchiveContent, ArchiveTable } from "../repository/manifest.ts";

/** Reads what a dump of chosen schemas does not carry. Runs inside the backup's snapshot where SQL is concerned. */
export async function readContent(
  runtime: Runtime,
  session: Session,
  client: PostgresClient,
  schemas: readonly string[] | null,
  signal: AbortSignal,
): Promise<Omit<ArchiveContent, "roles">> {
  const properties = await readProperties(session, session.settings.database);
  if (properties === null)
    throw new AppError("unexpected", "read the database's properties: it is not in pg_database");
  return {
    database: {
      ...properties,
      settings: [...properties.settings],
      grants: properties.grants === null ? null : [...properties.grants],
    },
    extensions: [...(await listExtensions(session))],
    sequences: [...(await readSequences(session, schemas))],
    rolesSql: await dumpRoles(runtime, session, client, signal),
  };
}

async function dumpRoles(
  runtime: Runtime,
  session: Session,
  client: PostgresClient,
  signal: AbortSignal,
): Promise<string | null> {
  try {
    return await runForText(
      runtime,
      {
        program: clientProgram(client, "pg_dumpall"),
        args: ["--roles-only", "--no-role-passwords", "--no-password"],
        env: toolEnvironment(runtime, session.settings),
      },
      signal,
    );
  } catch (error) {
    // When the dump failed, its error stopped this as well: that says nothing about the roles.
    signal.throwIfAborted();
    if (!isAppError(error, "tool_failed")) throw error;
    // Managed services hide parts of the role catalogue. The rows are worth more than the list of roles.
    runtime.reporter.warn(`the roles could not be read, so the backup has no list of them: ${error.message}`);
    return null;
  }
}

/**
 * Compares what the stored dump holds with what the snapshot held, table by table, and makes the manifest's lines.
 * Any difference is `backup_damaged`: such a dump must not become a backup.
 */
export function tableLines(
  facts: DumpFacts,
  relations: readonly Relation[],
  counts: ReadonlyMap<string, number>,
): ArchiveTable[] {
  const dumped = new Map(facts.tables.map((table) => [quoteName(table.schema, table.name), table]));
  const problems: string[] = [];
  for (const [name, rows] of counts) {
    const inDump = dumped.get(name)?.rows;
    if (inDump !== rows)
      problems.push(`${name}: ${rows} rows in the database, ${inDump ?? "none"} in the dump`);
  }
  if (problems.length > 0) {
    throw new AppError(
      "backup_damaged",
      `compare the dump with the database: ${counted(problems.length, "table")} differ: ${problems.slice(0, 5).join("; ")}`,
      {
        details: { problems },
        hint: "the dump was discarded; take the backup again, and report this if it comes back",
      },
    );
  }
  const lines: ArchiveTable[] = facts.tables.map((table) => ({
    schema: table.schema,
    name: table.name,
    rows: table.rows,
    bytes: table.bytes,
  }));
  for (const relation of relations) {
    if (relation.kind === "materialized view") {
      lines.push({ schema: relation.schema, name: relation.name, rows: null, bytes: 0 });
    }
  }
  return lines.toSorted((a, b) => compareText(a.schema, b.schema) || compareText(a.name, b.name));
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
