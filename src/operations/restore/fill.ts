import { loadArchive } from "../../engines/archive/load.ts";
import { type LoadSnapshot, loadSnapshot } from "../../engines/snapshot/load-snapshot.ts";
import { AppError, isAppError, messageOf } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { listSchemas } from "../../postgres/catalog.ts";
import { formatBytes } from "../../lib/text.ts";
import type { PostgresClient } from "../../postgres/clients.ts";
import type { ConnectionSettings } from "../../postgres/connection.ts";
import { createExtensions, listExtensions } from "../../postgres/extensions.ts";
import { connect, quoteIdentifier, type Session } from "../../postgres/session.ts";
import { analyzeDatabase } from "../../postgres/statistics.ts";
import { compareRows, type RowComparison } from "./compare-rows.ts";
import type { CheckedSource } from "./plan.ts";
import type { BackupSource, SnapshotSource } from "./source.ts";

export interface FillTarget {
  readonly client: PostgresClient;
  readonly settings: ConnectionSettings;
  /** For a database that was there before and empty: a failure must leave it as it was. */
  readonly singleTransaction: boolean;
  /** Connections that load a snapshot at the same time, where it need not be a single transaction. */
  readonly lanes: number;
  /** Whether somebody will use the database: without statistics its first queries would be slow. */
  readonly statistics: boolean;
}

/** Loads a whole backup into a database; then every table's rows are counted and compared. */
export async function fillDatabase(
  runtime: Runtime,
  checked: CheckedSource,
  target: FillTarget,
  signal: AbortSignal,
): Promise<RowComparison> {
  await using session = await connect(runtime, target.settings, signal);
  const comparison =
    (await loadInto(runtime, checked, target, session, signal)) ??
    (await compareRows(runtime, session, checked.expected));
  // Loading a snapshot gathers them.
  if (target.statistics && checked.source.kind === "archive") await analyzeDatabase(session);
  return comparison;
}

/** Loads a whole snapshot into a database, for a caller who compares more than how many rows came back. */
export async function loadDatabase(
  runtime: Runtime,
  checked: CheckedSource & { readonly source: SnapshotSource },
  target: FillTarget,
  signal: AbortSignal,
): Promise<void> {
  await using session = await connect(runtime, target.settings, signal);
  await loadInto(runtime, checked, target, session, signal);
}

/**
 * First the extensions that the backup relies on and does not carry, then the backup itself. Returns what was found when the
 * rows were compared, where that happened before the load was committed.
 */
async function loadInto(
  runtime: Runtime,
  checked: CheckedSource,
  target: FillTarget,
  session: Session,
  signal: AbortSignal,
): Promise<RowComparison | undefined> {
  const given = await readGiven(session);
  try {
    await createMissingExtensions(runtime, session, checked.source);
    return await load(runtime, checked, target, signal).catch((error: unknown) => {
      throw explainFull(checked.source, explainMissing(checked.source, error));
    });
  } catch (error) {
    if (target.singleTransaction) await takeBack(runtime, target.settings, given);
    throw error;
  }
}

/** A dump of chosen schemas carries the extensions of these schemas and of `public`; the others are made beforehand. */
export async function createMissingExtensions(
  runtime: Runtime,
  session: Session,
  { manifest }: BackupSource,
): Promise<void> {
  if (manifest === null || manifest.index.schemas === null) return;
  const inside = [...manifest.index.schemas, "public"];
  const outside = manifest.content.extensions.filter((extension) => !inside.includes(extension.schema));
  for (const note of await createExtensions(session, outside)) runtime.reporter.note(note);
}

/** What was found when the rows were compared, where that has to happen before the load is committed. */
async function load(
  runtime: Runtime,
  { source, facts, expected }: CheckedSource,
  { client, settings, singleTransaction, lanes, statistics }: FillTarget,
  signal: AbortSignal,
): Promise<RowComparison | undefined> {
  let comparison: RowComparison | undefined;
  const tell = (leftOut: readonly string[]): void => {
    for (const omission of leftOut) runtime.reporter.warn(`left out: ${omission}`);
  };
  if (source.kind === "snapshot") {
    const compare = async (session: Session): Promise<void> => {
      comparison = await compareRows(runtime, session, expected);
    };
    const request = { ...snapshotIn(source), client, settings, lanes, statistics };
    const whole = singleTransaction ? { ...request, atomic: compare } : request;
    tell((await loadSnapshot(runtime, whole, signal)).leftOut);
    return comparison;
  }
  const { open, format, compression } = source;
  const totals = { totalBytes: facts.bytes, totalTables: facts.tables.length };
  const archive = { open, format, compression, client, settings, singleTransaction, ...totals };
  tell((await loadArchive(runtime, archive, signal)).leftOut);
  return undefined;
}

/** What a load has to know of a snapshot. */
export function snapshotIn({
  repository,
  manifest,
}: SnapshotSource): Pick<LoadSnapshot, "repository" | "database" | "tables" | "content"> {
  const { index, tables, content } = manifest;
  return { repository, database: index.database, tables, content };
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

/** How much room it takes was looked at before where the server is on this machine; elsewhere this is the first that is heard of it. */
function explainFull({ manifest }: BackupSource, error: unknown): unknown {
  if (manifest === null || !isAppError(error, "space_missing")) return error;
  const bytes = formatBytes(manifest.index.totals.serverBytes);
  return new AppError(error.code, error.message, {
    cause: error,
    details: error.details,
    hint: `make room on the server, or restore to another one: all of the backup takes about ${bytes} there, and while it is loaded the server's log up to as much again`,
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
