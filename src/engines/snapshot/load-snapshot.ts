import type { Runtime } from "../../lib/runtime.ts";
import type { PostgresClient } from "../../postgres/clients.ts";
import type { ConnectionSettings } from "../../postgres/connection.ts";
import { connect, isSqlState, quoteName, type Session } from "../../postgres/session.ts";
import type { SnapshotContent, SnapshotTable } from "../../repository/manifest.ts";
import type { Repository } from "../../repository/repository.ts";
import { listContents, loadEntries, type TocEntry } from "../archive/table-of-contents.ts";
import { loadRows } from "./load-rows.ts";
import { orderEntries } from "./restore-order.ts";
import { withTemporaryFile } from "./schema.ts";

export interface LoadSnapshot {
  readonly repository: Repository;
  readonly database: string;
  readonly tables: readonly SnapshotTable[];
  readonly content: SnapshotContent;
  readonly client: PostgresClient;
  /** The target: a database that was made for this and has the extensions that the schema does not create. */
  readonly settings: ConnectionSettings;
  readonly lanes: number;
}

/**
 * Loads a snapshot: definitions that rows need, the rows of all tables in parallel, sequences, indexes and keys, then
 * what would have been in the way (foreign keys, triggers, policies, privileges), and materialized views. Stops at the
 * first error. Returns what the role could not do and was left out.
 */
export async function loadSnapshot(
  runtime: Runtime,
  request: LoadSnapshot,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const { client, settings, content } = request;
  const leftOut: string[] = [];
  await withTemporaryFile(runtime, Buffer.from(content.schemaArchive, "base64"), async (path) => {
    const order = orderEntries(await listContents(runtime, { client, path }, signal));
    const load = async (entries: readonly TocEntry[]): Promise<void> => {
      leftOut.push(...(await loadEntries(runtime, { client, path, entries, settings }, signal)));
    };
    await load(order.before);
    await loadRows(runtime, request, signal);
    await load(order.indexes);
    await load(order.after);
  });
  await using session = await connect(runtime, settings, signal);
  for (const { schema, name, value, called } of content.sequences) {
    await session.query("select pg_catalog.setval($1::regclass, $2, $3)", [
      quoteName(schema, name),
      value,
      called,
    ]);
  }
  await refreshViews(
    session,
    request.tables.filter((table) => table.rows === null),
  );
  return leftOut;
}

// 55000 object_not_in_prerequisite_state: "materialized view … has not been populated".
const NOT_POPULATED = "55000";

/** Refreshes materialized views. One that reads another waits until that one is filled. */
async function refreshViews(session: Session, views: readonly SnapshotTable[]): Promise<void> {
  let waiting = views;
  while (waiting.length > 0) {
    const later: SnapshotTable[] = [];
    let reason: unknown;
    for (const view of waiting) {
      try {
        await session.query(`refresh materialized view ${quoteName(view.schema, view.name)}`);
      } catch (error) {
        if (!isSqlState(error, NOT_POPULATED)) throw error;
        reason = error;
        later.push(view);
      }
    }
    if (later.length === waiting.length) throw reason;
    waiting = later;
  }
}
