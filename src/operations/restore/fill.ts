import { loadArchive } from "../../engines/archive/load.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { counted } from "../../lib/text.ts";
import type { PostgresClient } from "../../postgres/clients.ts";
import type { ConnectionSettings } from "../../postgres/connection.ts";
import { createExtensions, type Extension } from "../../postgres/extensions.ts";
import { connect, type Session } from "../../postgres/session.ts";
import { compareRows, type RowComparison } from "./compare-rows.ts";
import type { CheckedSource } from "./plan.ts";

/**
 * Loads a whole archive into a database: first the extensions that the archive relies on and does not carry, then the
 * archive itself; then every table's rows are counted and compared.
 * @param singleTransaction for a database that was there before: a failure must leave it as it was
 */
export async function fillDatabase(
  runtime: Runtime,
  checked: CheckedSource,
  target: { client: PostgresClient; settings: ConnectionSettings; singleTransaction: boolean },
  signal: AbortSignal,
): Promise<RowComparison> {
  const { source, facts } = checked;
  await using session = await connect(runtime, target.settings, signal);
  for (const note of await createExtensions(session, extensionsOutside(checked))) runtime.reporter.note(note);
  const load = await loadArchive(
    runtime,
    {
      open: source.open,
      format: source.format,
      compression: source.compression,
      client: target.client,
      settings: target.settings,
      singleTransaction: target.singleTransaction,
      totalBytes: facts.bytes,
      totalTables: facts.tables.length,
    },
    signal,
  );
  for (const omission of load.leftOut) runtime.reporter.warn(`left out: ${omission}`);
  return await checkFilled(runtime, session, checked);
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
