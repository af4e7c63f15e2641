import { dumpArchive, type DumpRequest, type DumpResult } from "../engines/archive/dump.ts";
import { runTogether } from "../lib/concurrency.ts";
import type { Runtime } from "../lib/runtime.ts";
import { namingBlocker } from "../postgres/blockers.ts";
import { countRows, measureTables, type Relation } from "../postgres/catalog.ts";
import type { PostgresClient } from "../postgres/clients.ts";
import { watchLocks } from "../postgres/lock-watch.ts";
import { connect, type Session } from "../postgres/session.ts";
import { type HeldSnapshot, holdSnapshot } from "../postgres/snapshot.ts";
import type { ArchiveFile, BackupContent, BackupId } from "../repository/manifest.ts";
import type { StagedObject } from "../storage/storage.ts";
import { readContent } from "./backup-content.ts";
import { encodingFor, extensionsIn } from "./dump-scope.ts";

export interface DumpInSnapshot {
  readonly id: BackupId;
  /** Outside any transaction. */
  readonly session: Session;
  readonly client: PostgresClient;
  readonly staged: StagedObject;
  /** Null: the whole database. */
  readonly schemas: readonly string[] | null;
  readonly format: ArchiveFile["format"];
  readonly compression: ArchiveFile["compression"];
  readonly lockTimeoutMs: number;
}

export interface SnapshotDump extends DumpResult {
  readonly takenAt: Date;
  readonly relations: readonly Relation[];
  /** Bytes of the tables on the server's disk. */
  readonly serverBytes: number;
  /** Rows of each ordinary table by its quoted name. */
  readonly counts: ReadonlyMap<string, number>;
  readonly content: Omit<BackupContent, "roles">;
}

// The watch tells who is in the way; `pg_dump`'s own limit comes after it, should the watch have lost its connection.
export const WATCH_AHEAD_MS = 5000;

/**
 * Runs `pg_dump` and counts every table's rows at the same time, both in one exported snapshot. Returns or throws only
 * when all of it has come to an end. Errors: `lock_timeout`, naming who was in the way, and those of its parts.
 */
export async function dumpInSnapshot(
  runtime: Runtime,
  dump: DumpInSnapshot,
  signal: AbortSignal,
): Promise<SnapshotDump> {
  const { session, lockTimeoutMs } = dump;
  await using observer = await connect(runtime, session.settings, signal);
  const snapshot = await holdSnapshot(session, observer, dump.schemas, lockTimeoutMs);
  const wait = { operation: "measure tables", relations: null, waitedMs: lockTimeoutMs };
  const serverBytes = await namingBlocker(observer, wait, () => measureTables(session, tablesOf(snapshot)));
  const request = await dumpRequest(dump, snapshot, serverBytes);
  // Compressed text is smaller than tables on a disk: nearly always a bound.
  dump.staged.expect(serverBytes);
  const watched = { applicationName: request.applicationName, label: "pg_dump", lockTimeoutMs };
  const done = new AbortController();
  const [[dumped, counted]] = await runTogether(
    async (either) => {
      try {
        return await runTogether(
          async (both) => await dumpArchive(runtime, request, both),
          async (both) => await readBeside(runtime, dump, { observer, snapshot }, both),
          either,
        );
      } finally {
        done.abort();
      }
    },
    async (either) => {
      const blocked = await watchLocks(runtime, observer, watched, AbortSignal.any([either, done.signal]));
      if (blocked !== undefined) throw blocked;
    },
    signal,
  );
  await session.query("commit");
  return { ...dumped, ...counted, serverBytes, takenAt: snapshot.takenAt, relations: snapshot.relations };
}

async function dumpRequest(
  dump: DumpInSnapshot,
  snapshot: HeldSnapshot,
  serverBytes: number,
): Promise<DumpRequest> {
  const { session, client, staged, schemas, format, compression } = dump;
  const extensions = await extensionsIn(session, schemas);
  return {
    client,
    settings: session.settings,
    applicationName: `handled ${dump.id}`,
    snapshot: snapshot.name,
    schemas,
    extensions,
    encoding: await encodingFor(session, [...(schemas ?? []), ...extensions]),
    format,
    compression,
    staged,
    lockTimeoutMs: dump.lockTimeoutMs + WATCH_AHEAD_MS,
    totalTables: tablesOf(snapshot).length,
    totalBytes: serverBytes,
  };
}

/** What the dump does not tell, or what it is compared with, read on the session that exported the snapshot. */
async function readBeside(
  runtime: Runtime,
  { session, client, schemas, lockTimeoutMs }: DumpInSnapshot,
  { observer, snapshot }: { readonly observer: Session; readonly snapshot: HeldSnapshot },
  signal: AbortSignal,
): Promise<Pick<SnapshotDump, "counts" | "content">> {
  // When the dump has failed, nobody wants to wait for the counting of a large table.
  const onAbort = (): void => void session.cancel();
  signal.addEventListener("abort", onAbort, { once: true });
  const wait = { operation: "count rows", relations: null, waitedMs: lockTimeoutMs };
  try {
    return await namingBlocker(observer, wait, async () => ({
      counts: await countRows(session, tablesOf(snapshot), () => signal.throwIfAborted()),
      content: await readContent(runtime, session, client, schemas, signal),
    }));
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

const tablesOf = (snapshot: HeldSnapshot): Relation[] =>
  snapshot.relations.filter((relation) => relation.kind === "table");
