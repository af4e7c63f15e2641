import {
  findBaseline,
  makeBaseline,
  newChain,
  readSnapshotState,
  type Chain,
} from "../engines/snapshot/baseline.ts";
import type { CopyThreads } from "../engines/snapshot/copy-pool.ts";
import { copyTables, type CopyResult } from "../engines/snapshot/copy-tables.ts";
import { isLargeObjects } from "../engines/snapshot/large-objects.ts";
import { dumpSchema, type SchemaDump } from "../engines/snapshot/schema.ts";
import { listFilledViews, listSourceTables, type SourceTable } from "../engines/snapshot/tables.ts";
import { readSignatures, type TypeSignature } from "../engines/snapshot/type-signature.ts";
import { AppError } from "../errors.ts";
import { runTogether } from "../lib/concurrency.ts";
import { PROGRAM } from "../lib/program.ts";
import { namingBlocker } from "../postgres/blockers.ts";
import { measureTables } from "../postgres/catalog.ts";
import { listLargeObjectRoles } from "../postgres/large-objects.ts";
import { watchLocks } from "../postgres/lock-watch.ts";
import { readServerFacts } from "../postgres/server.ts";
import { connect, quoteName, type Session } from "../postgres/session.ts";
import { type HeldSnapshot, holdSnapshot } from "../postgres/snapshot.ts";
import { listBackups, newBackupId, publishSnapshot } from "../repository/backups.ts";
import { knownParts } from "../repository/known-parts.ts";
import type { BackupId, PartName, SnapshotBaseline, SnapshotIndex } from "../repository/manifest.ts";
import type { SnapshotHead } from "../repository/manifests.ts";
import { readContent } from "./backup-content.ts";
import { WATCH_AHEAD_MS } from "./backup-dump.ts";
import type { BackupRun } from "./backup.ts";
import { reliableSnapshots } from "./damage-found.ts";
import { recordLost } from "./record-lost.ts";
import { definitionsEncoding, extensionsIn } from "./dump-scope.ts";

/** How a snapshot is taken. */
export interface SnapshotKind {
  readonly kind: "snapshot";
  /** Worker threads, each with a connection. */
  readonly jobs: number;
  /** Read and store everything anew. */
  readonly fullRead: boolean;
}

/**
 * Takes a snapshot: all tables locked, then one exported snapshot for everything that is read. Ranges of tables that are
 * as they were in the last one are not read again. Its index is written last. Errors: `source_changed` when definitions
 * changed meanwhile in a way that locks do not prevent, `lock_timeout`, and those of its parts.
 */
export async function takeSnapshot(
  run: BackupRun,
  how: SnapshotKind,
  threads: CopyThreads,
  signal: AbortSignal,
): Promise<SnapshotIndex> {
  const { runtime, request, repository, session, lease } = run;
  const id = newBackupId(runtime.clock);
  const startedAt = runtime.clock.now();
  const started = runtime.clock.monotonic();
  const server = await readServerFacts(session);
  await using observer = await connect(runtime, session.settings, signal);
  const held = await holdSnapshot(session, observer, request.schemas, request.lockTimeoutMs);
  const desk: Desk = { ...run, id, observer, held, threads };
  const wait = { operation: "measure tables", relations: null, waitedMs: request.lockTimeoutMs };
  const { tables, serverBytes } = await namingBlocker(observer, wait, async () => ({
    tables: await listSourceTables(session, request.schemas),
    serverBytes: await measureTables(session, ordinaryTables(held)),
  }));
  requireAllLocked(held, tables);
  const state = await readSnapshotState(session, server);
  const { backups } = await listBackups(repository, request.database, signal);
  // One that a wrong clock dates in the future would stay the newest, and every snapshot would build on it alone.
  const earlier = backups.filter(({ snapshotAt }) => new Date(snapshotAt) <= held.takenAt);
  const anew = reasonToReadAnew(how, repository);
  const { snapshots, damage, damagedParts } =
    anew !== undefined
      ? { snapshots: [], damage: undefined, damagedParts: new Set<PartName>() }
      : await reliableSnapshots(runtime, repository, request.database, earlier, signal);
  const chain =
    anew !== undefined
      ? newChain(anew)
      : damage !== undefined && snapshots.length === 0
        ? newChain(`${damage.id} was found to be damaged`)
        : await findBaseline(repository, session, state, snapshots, request.schemas, signal);
  const baseline = await makeBaseline(session, observer, state, chain);
  if (typeof baseline === "string")
    runtime.reporter.note(`the next snapshot will read everything: ${baseline}`);
  const signatures = await readSignatures(
    session,
    tables.map((table) => table.oid),
  );
  const { copied, schema, content } = await readAll(
    desk,
    { tables, chain, snapshots, damagedParts, signatures },
    signal,
  );
  await requireUnchanged(observer, tables, signatures);
  const roles = request.schemas === null ? await listLargeObjectRoles(session) : [];
  await session.query("commit");
  const head: SnapshotHead = {
    id,
    database: request.database,
    kind: "snapshot",
    schedule: request.schedule,
    startedAt: startedAt.toISOString(),
    snapshotAt: held.takenAt.toISOString(),
    finishedAt: runtime.clock.now().toISOString(),
    durationMs: Math.round(runtime.clock.monotonic() - started),
    writtenBy: PROGRAM,
    client: run.client.label,
    server,
    schemas: request.schemas === null ? null : [...request.schemas],
    totals: {
      tables: copied.tables.filter((table) => table.rows !== null && !isLargeObjects(table)).length,
      rows: copied.tables.reduce((sum, table) => sum + (table.rows ?? 0), 0),
      bytes: copied.tables.reduce((sum, table) => sum + table.bytes, 0),
      storedBytes: copied.newBytes,
      serverBytes,
    },
    snapshot: snapshotFacts(copied, chain, baseline),
  };
  const tableLines = copied.tables.toSorted((a, b) => compareNames(a, b));
  const manifest = {
    head,
    tables: tableLines,
    content: {
      ...content,
      roles: [...new Set([...schema.roles, ...roles])].toSorted(),
      schemaArchive: schema.archive.toString("base64"),
    },
  };
  return await publishSnapshot(repository, manifest, lease, signal);
}

interface Desk extends BackupRun {
  readonly id: BackupId;
  readonly observer: Session;
  readonly held: HeldSnapshot;
  readonly threads: CopyThreads;
}

interface Reading {
  readonly tables: readonly SourceTable[];
  readonly chain: Chain;
  /** Those whose parts count as being there: what is read in full is stored in full as well. */
  readonly snapshots: readonly SnapshotIndex[];
  readonly damagedParts: ReadonlySet<PartName>;
  readonly signatures: ReadonlyMap<number, TypeSignature>;
}

/** Rows, definitions and the rest, at the same time and in one snapshot, while somebody watches the locks of `pg_dump`. */
async function readAll(desk: Desk, reading: Reading, signal: AbortSignal) {
  const { runtime, request, observer } = desk;
  const applicationName = `handled ${desk.id}`;
  const done = new AbortController();
  const watched = { applicationName, label: "pg_dump", lockTimeoutMs: request.lockTimeoutMs };
  const [[copied, [schema, content]]] = await runTogether(
    async (either) => {
      try {
        return await runTogether(
          async (both) => await copyRows(desk, reading, both),
          async (both) =>
            await runTogether(
              async (rest) => await dumpDefinitions(desk, applicationName, rest),
              async (rest) => await readRest(desk, rest),
              both,
            ),
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
  return { copied, schema, content };
}

async function copyRows(
  { runtime, request, repository, session, held, threads }: Desk,
  { tables, chain, snapshots, damagedParts, signatures }: Reading,
  signal: AbortSignal,
): Promise<CopyResult> {
  const { builtOn } = chain;
  const known = await knownParts(repository, request.database, signal, {
    snapshots,
    builtOn,
    damaged: damagedParts,
  });
  for (const reason of known.skipped) runtime.reporter.warn(`parts are stored anew: ${reason}`);
  await recordLost(runtime, repository, request.database, { known, damagedParts }, signal);
  return await copyTables(
    runtime,
    {
      repository,
      database: request.database,
      settings: session.settings,
      snapshot: held.name,
      tables,
      views: await listFilledViews(session, request.schemas),
      known,
      threads,
      baseline: chain.baseline,
      signatures,
      clock: { generation: chain.generation, now: held.takenAt },
      secret: chain.secret,
    },
    signal,
  );
}

async function dumpDefinitions(
  { runtime, request, session, client, held }: Desk,
  applicationName: string,
  signal: AbortSignal,
): Promise<SchemaDump> {
  const { schemas } = request;
  const extensions = await extensionsIn(session, schemas);
  return await dumpSchema(
    runtime,
    {
      client,
      settings: session.settings,
      snapshot: held.name,
      schemas,
      extensions,
      encoding: await definitionsEncoding(session),
      lockTimeoutMs: request.lockTimeoutMs + WATCH_AHEAD_MS,
      applicationName,
    },
    signal,
  );
}

async function readRest({ runtime, request, session, client, observer }: Desk, signal: AbortSignal) {
  const wait = { operation: "read sequences", relations: null, waitedMs: request.lockTimeoutMs };
  return await namingBlocker(
    observer,
    wait,
    async () => await readContent(runtime, session, client, request.schemas, signal),
  );
}

const ordinaryTables = (held: HeldSnapshot) => held.relations.filter((relation) => relation.kind === "table");

/** Rows are read only of what is locked: a rewrite in between would not be seen. */
function requireAllLocked(held: HeldSnapshot, tables: readonly SourceTable[]): void {
  const read = new Set(tables.map((table) => table.oid));
  const missing = ordinaryTables(held).filter((relation) => !read.has(relation.oid));
  if (missing.length === 0) return;
  const names = missing.map((relation) => quoteName(relation.schema, relation.name));
  throw new AppError("unexpected", `list the tables to copy: ${names.join(", ")} would be left out`);
}

/** Types are not locked: their text may have changed under the copying, and what was copied then is a mixture. */
async function requireUnchanged(
  observer: Session,
  tables: readonly SourceTable[],
  before: ReadonlyMap<number, TypeSignature>,
): Promise<void> {
  const after = await readSignatures(
    observer,
    tables.map((table) => table.oid),
  );
  const changed = tables.filter(({ oid }) => before.get(oid)?.signature !== after.get(oid)?.signature);
  if (changed.length === 0) return;
  const names = changed.map((table) => quoteName(table.schema, table.name));
  throw new AppError("source_changed", `types of columns of ${names.join(", ")} were altered meanwhile`, {
    hint: "take the backup again when the migration has ended",
    details: { tables: names },
  });
}

function snapshotFacts(
  copied: CopyResult,
  chain: Chain,
  baseline: SnapshotBaseline | string,
): SnapshotHead["snapshot"] {
  const { partsRead, partsReused, readBytes, reusedBytes, newParts, newBytes, namedBytes } = copied;
  const differ = copied.differing.length > 0;
  return {
    parts: { read: partsRead, reused: partsReused },
    readBytes,
    reusedBytes,
    newParts,
    newBytes,
    namedBytes,
    sample: { read: copied.sampled, differing: copied.differing.length },
    fullRead: differ ? `a sample of ${copied.differing.join(", ")} was not what is stored` : chain.fullRead,
    // Where tuples said what was not so, the next snapshot must not believe them either.
    baseline: differ || typeof baseline === "string" ? null : baseline,
  };
}

/** Why nothing of earlier snapshots may be taken over, whatever they hold. */
function reasonToReadAnew({ fullRead }: SnapshotKind, { file }: BackupRun["repository"]): string | undefined {
  if (fullRead) return "`--full-read` was given";
  return file.sealing?.mixed === true ? "earlier parts are not sealed to all recipients yet" : undefined;
}

interface Named {
  readonly schema: string;
  readonly name: string;
}

function compareNames(a: Named, b: Named): number {
  if (a.schema !== b.schema) return a.schema < b.schema ? -1 : 1;
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}
