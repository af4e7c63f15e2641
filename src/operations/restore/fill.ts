import { loadArchive } from "../../engines/archive/load.ts";
import { loadSnapshot } from "../../engines/snapshot/load-snapshot.ts";
import { AppError, isAppError, messageOf } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { counted } from "../../lib/text.ts";
import { listSchemas } from "../../postgres/catalog.ts";
import type { PostgresClient } from "../../postgres/clients.ts";
import type { ConnectionSettings } from "../../postgres/connection.ts";
import { createExtensions, type Extension, listExtensions } from "../../postgres/extensions.ts";
import { connect, quoteIdentifier, type Session } from "../../postgres/session.ts";
import { compareRows, type RowComparison } from "./compare-rows.ts";
import type { CheckedSource } from "./plan.ts";
import type { BackupSource } from "./source.ts";

export interface FillTarget {
  readonly client: PostgresClient;
  readonly settings: ConnectionSettings;
  /** For a database that was there before and empty: a failure must leave it as it was. */
  readonly singleTransaction: boolean;
}

/**
 * Loads a whole archive into a database: first the extensions that the archive relies on and does not carry, then the
 * archive itself; then every table's rows are counted and compared.
 */
export async function fillDatabase(
  runtime: Runtime,
  checked: CheckedSource,
  target: FillTarget,
  signal: AbortSignal,
): Promise<RowComparison> {
  await using session = await connect(runtime, target.settings, signal);
  const given = await readGiven(session);
  try {
    const notes = await createExtensions(session, extensionsOutside(checked));
    for (const note of notes) runtime.reporter.note(note);
    await load(runtime, checked, target, signal);
  } catch (error) {
    if (target.singleTransaction) await takeBack(runtime, target.settings, given);
    throw error;
  }
  return await checkFilled(runtime, session, checked);
}

async function load(
  runtime: Runtime,
  checked: CheckedSource,
  target: FillTarget,
  signal: AbortSignal,
): Promise<void> {
  const leftOut = await loadSource(runtime, checked, target, signal).catch((error: unknown) => {
    throw explainMissing(checked.source, error);
  });
  for (const omission of leftOut) runtime.reporter.warn(`left out: ${omission}`);
}

/** Returns what the role could not do and was left out. */
async function loadSource(
  runtime: Runtime,
  { source, facts }: CheckedSource,
  { client, settings, singleTransaction }: FillTarget,
  signal: AbortSignal,
): Promise<readonly string[]> {
  if (source.kind === "snapshot") {
    const { repository, manifest } = source;
    const { index, tables, content } = manifest;
    return await loadSnapshot(
      runtime,
      { repository, database: index.database, tables, content, client, settings, lanes: 2 },
      signal,
    );
  }
  const { open, format, compression } = source;
  const { leftOut } = await loadArchive(
    runtime,
    {
      open,
      format,
      compression,
      client,
      settings,
      singleTransaction,
      totalBytes: facts.bytes,
      totalTables: facts.tables.length,
    },
    signal,
  );
  return leftOut;
}

// Undefined function, object, table, schema, column: something that the archive refers to is not there.
const MISSING = ["42883", "42704", "42P01", "3F000", "42703"];

/** A dump of some schemas does not carry what they need of others. */
function explainMissing({ manifest }: BackupSource, error: unknown): unknown {
  const schemas = manifest?.index.schemas ?? null;
  if (schemas === null || !isAppError(error, "query_failed")) return error;
  if (!MISSING.includes(String(error.details["sqlState"]))) return error;
  return new AppError(error.code, error.message, {
    cause: error,
    details: error.details,
    hint: `the backup holds ${schemas.join(", ")} and nothing that they need of other schemas: \`--swap\` takes that from the live database, and \`--to\` restores into a database that has it`,
  });
}

/** What a database had before: the names of its extensions and schemas. */
interface Given {
  readonly extensions: ReadonlySet<string>;
  readonly schemas: ReadonlySet<string>;
}

async function readGiven(session: Session): Promise<Given> {
  return {
    extensions: new Set((await listExtensions(session)).map(({ name }) => name)),
    schemas: new Set(await listSchemas(session)),
  };
}

const CLEAN_UP_MS = 30_000;

/** Removes the extensions that were made for a load that failed; on a session of its own, for ours may be what failed. */
async function takeBack(runtime: Runtime, settings: ConnectionSettings, given: Given): Promise<void> {
  try {
    await using session = await connect(runtime, settings, AbortSignal.timeout(CLEAN_UP_MS));
    const now = await readGiven(session);
    // Those that others need come first, so the last go first.
    for (const name of [...now.extensions].toReversed()) {
      if (!given.extensions.has(name)) await session.query(`drop extension ${quoteIdentifier(name)}`);
    }
    for (const name of now.schemas) {
      if (!given.schemas.has(name)) await session.query(`drop schema ${quoteIdentifier(name)}`);
    }
  } catch (error) {
    // The first error is the one to report.
    runtime.reporter.warn(`take back what was made in ${settings.database}: ${messageOf(error)}`);
  }
}

/** Compares the rows and gathers statistics, without which the first queries would be slow. */
async function checkFilled(
  runtime: Runtime,
  session: Session,
  checked: CheckedSource,
): Promise<RowComparison> {
  const comparison = await compareRows(runtime, session, checked.expected);
  await session.query("analyze");
  runtime.reporter.note(
    `${counted(comparison.tables, "table")} compared, ${counted(comparison.rows, "row")} as in the backup`,
  );
  return comparison;
}

/** A dump of chosen schemas carries the extensions of these schemas and of `public`; the others are made beforehand. */
function extensionsOutside({ source }: CheckedSource): Extension[] {
  const { manifest } = source;
  if (manifest === null || manifest.index.schemas === null) return [];
  const inside = [...manifest.index.schemas, "public"];
  return manifest.content.extensions.filter((extension) => !inside.includes(extension.schema));
}
