import { AppError, isAppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { requireWritable } from "../../lib/durable.ts";
import { connect, quoteName, type Session } from "../../postgres/session.ts";
import { recordingDamage } from "../record-damage.ts";
import { HOW_TO_WRITE, isWrittenAs, noSuchTable } from "../restore/plan.ts";
import { type BackupSource, findSource, holdSource, storedOf } from "../restore/source.ts";
import { type Compared, compareStaged } from "./compare.ts";
import { insertMissing, requireParents } from "./insert.ts";
import { type LiveTable, readLiveTable } from "./live-table.ts";
import type {
  BringBackRequest,
  EarlierDatabase,
  MissingRowsPreview,
  MissingRowsReport,
  MissingRowsRequest,
} from "./request.ts";
import { stageArchive } from "./stage-archive.ts";
import { stageDatabase } from "./stage-database.ts";
import { stageSnapshot } from "./stage-snapshot.ts";
import type { Staged } from "./stage.ts";
import { removeUndoFile, writeUndoFile } from "./undo-file.ts";

/**
 * Brings rows back into live tables that are in a backup and, by primary key, no more in them; `docs/design/missing-rows.md`
 * says how, and why it may leave most of the backup unread. Nothing that is there is changed.
 */
export async function restoreMissingRows(
  runtime: Runtime,
  request: MissingRowsRequest,
  signal: AbortSignal,
): Promise<MissingRowsReport> {
  const source = await findSource(runtime, { ...request, operation: "restore" }, signal);
  requireSameDatabase(request, source);
  await using _reading = await holdSource(runtime, source, signal);
  const { label, manifest } = source;
  const rows: RowSource = {
    label,
    backup: manifest?.index.id ?? null,
    snapshotAt: manifest === null ? null : new Date(manifest.index.snapshotAt),
    tables: manifest?.tables ?? null,
    stage: async (tables, sessions) =>
      await recordingDamage(
        runtime,
        storedOf(source),
        "restore",
        async () => await stageRows(runtime, request, source, tables, sessions, signal),
        signal,
      ),
  };
  return await bringBack(runtime, request, rows, signal);
}

/**
 * The same from another database, which has the tables as they were at a moment: all of their rows there are read, and it is not
 * written to.
 */
export async function copyMissingRows(
  runtime: Runtime,
  request: BringBackRequest,
  { connection, label, at }: EarlierDatabase,
  signal: AbortSignal,
): Promise<MissingRowsReport> {
  await using from = await connect(runtime, connection, signal);
  const rows: RowSource = {
    label,
    backup: null,
    snapshotAt: at,
    tables: await listNames(from),
    stage: async (tables, { writer }) =>
      await stageDatabase(from, writer, { tables, fullRead: "it is a database, and read whole" }),
  };
  return await bringBack(runtime, request, rows, signal);
}

/** Where rows come from. */
interface RowSource {
  readonly label: string;
  readonly backup: MissingRowsPreview["backup"];
  readonly snapshotAt: Date | null;
  /** Null where it does not say what it has: then the live database's are taken. */
  readonly tables: readonly { readonly schema: string; readonly name: string }[] | null;
  readonly stage: (tables: readonly LiveTable[], sessions: Sessions) => Promise<Staged[]>;
}

async function bringBack(
  runtime: Runtime,
  request: BringBackRequest,
  source: RowSource,
  signal: AbortSignal,
): Promise<MissingRowsReport> {
  const started = runtime.clock.monotonic();
  await using writer = await connect(runtime, request.connection, signal);
  await using reader = await connect(runtime, writer.settings, signal);
  await using observer = await connect(runtime, writer.settings, signal);
  await writer.query(WRITER_SETTINGS);
  const tables = parentsFirst(await readTables(reader, source, request.tables));
  const sessions = { writer, reader, observer };
  const staged = await source.stage(tables, sessions);
  const compared = await previewed(writer, staged, request.where);
  const preview = previewOf(request, source, compared);
  if (request.dryRun) return { preview, done: null };
  requireParents(compared);
  const none = compared.every(({ facts }) => facts.missing.rows === 0);
  if (!none) {
    await requireNewFile(request.undoFile);
    await request.confirm(preview);
  }
  const inserted = none
    ? { compared: [], altered: [] }
    : await insertAll(runtime, request, preview.source, { staged, preview: compared }, sessions);
  for (const name of inserted.altered)
    runtime.reporter.warn(
      `${name}: a trigger changed rows while they were inserted; they are not as in the backup`,
    );
  const rows = inserted.compared.reduce((sum, { facts }) => sum + facts.missing.rows, 0);
  return {
    preview,
    done: {
      tables: none ? preview.tables : inserted.compared.map(({ facts }) => facts),
      rows,
      undoFile: rows === 0 ? null : request.undoFile,
      durationMs: Math.round(runtime.clock.monotonic() - started),
    },
  };
}

// Values of the types money and xml are read as they were written; and a role may be set to read only by default.
const WRITER_SETTINGS = `select pg_catalog.set_config('lc_monetary', 'C', false), pg_catalog.set_config('xmloption', 'content', false),
  pg_catalog.set_config('default_transaction_read_only', 'off', false)`;

interface Sessions {
  readonly writer: Session;
  readonly reader: Session;
  readonly observer: Session;
}

async function requireNewFile(path: string): Promise<void> {
  try {
    await requireWritable(path, false);
  } catch (error) {
    if (!isAppError(error, "target_exists")) throw error;
    throw new AppError("target_exists", error.message, {
      cause: error,
      hint: "it may be what undoes an earlier run: choose another path with `--undo-file`",
    });
  }
}

/** Rows of one database must not get into another because an address was mistyped. */
function requireSameDatabase({ connection }: MissingRowsRequest, { manifest, label }: BackupSource): void {
  const of = manifest?.index.server.database;
  if (of === undefined || of === connection.database) return;
  throw new AppError(
    "usage",
    `bring missing rows back into ${connection.database}: backup ${label} is of the database ${of}, not of this one`,
    { hint: "check the URL" },
  );
}

async function readTables(
  session: Session,
  source: RowSource,
  wanted: readonly string[],
): Promise<LiveTable[]> {
  const tables: LiveTable[] = [];
  for (const text of new Set(wanted)) {
    const known = source.tables ?? (await listNames(session));
    const line = known.find((table) => isWrittenAs(table, text));
    if (line !== undefined) {
      tables.push(await readLiveTable(session, line));
      continue;
    }
    // A partitioned table has no rows of its own in a backup: looking at it says what to name.
    const live = (await listNames(session)).find((table) => isWrittenAs(table, text));
    if (live !== undefined) await readLiveTable(session, live);
    throw noSuchTable(known, text);
  }
  if (tables.length > 0) return tables;
  throw new AppError("usage", "bring missing rows back: no table is named", {
    hint: `add \`--table schema.table\`, once for each: ${HOW_TO_WRITE}`,
  });
}

async function listNames(session: Session): Promise<{ schema: string; name: string }[]> {
  return await session.query(
    `select n.nspname::text as schema, c.relname::text as name from pg_catalog.pg_class c
       join pg_catalog.pg_namespace n on n.oid = c.relnamespace where c.relkind in ('r', 'p')`,
  );
}

/** Each after the chosen tables that its foreign keys refer to; of a circle in any order, for keys are checked at the end. */
function parentsFirst(tables: readonly LiveTable[]): LiveTable[] {
  const ordered: LiveTable[] = [];
  const seen = new Set<LiveTable>();
  const visit = (table: LiveTable): void => {
    if (seen.has(table)) return;
    seen.add(table);
    for (const { parent } of table.foreignKeys) {
      const other = tables.find(({ quoted }) => quoted === parent);
      if (other !== undefined) visit(other);
    }
    ordered.push(table);
  };
  for (const table of tables) visit(table);
  return ordered;
}

async function stageRows(
  runtime: Runtime,
  { lockTimeoutMs, jobs, database }: MissingRowsRequest,
  source: BackupSource,
  tables: readonly LiveTable[],
  sessions: Sessions,
  signal: AbortSignal,
): Promise<Staged[]> {
  if (source.kind === "archive") {
    const { writer } = sessions;
    return await stageArchive(runtime, { source, database, tables, writer, lanes: jobs }, signal);
  }
  const lines = new Map(source.manifest.tables.map((line) => [quoteName(line.schema, line.name), line]));
  const chosen = tables.flatMap((live) => {
    const line = lines.get(live.quoted);
    return line === undefined ? [] : [{ live, line }];
  });
  return await stageSnapshot(runtime, { source, tables: chosen, lockTimeoutMs, ...sessions }, signal);
}

/** What would be inserted, without a lock that anybody notices. */
async function previewed(
  session: Session,
  staged: readonly Staged[],
  where: string | null,
): Promise<Compared[]> {
  await session.query("begin");
  await session.query("set local row_security = off");
  const compared = await compareStaged(session, staged, where);
  await session.query("commit");
  return compared;
}

function previewOf(
  { database, connection }: BringBackRequest,
  { label, backup, snapshotAt }: RowSource,
  compared: readonly Compared[],
): MissingRowsPreview {
  const servers = connection.hosts.map(({ host, port }) => `${host}:${port}`).join(",");
  return {
    database,
    source: label,
    backup,
    snapshotAt,
    target: `${connection.database} on ${servers}`,
    tables: compared.map(({ facts }) => facts),
  };
}

async function insertAll(
  runtime: Runtime,
  request: BringBackRequest,
  source: string,
  what: { readonly staged: readonly Staged[]; readonly preview: readonly Compared[] },
  { writer, observer }: Sessions,
): ReturnType<typeof insertMissing> {
  const { where, disableTriggers, lockTimeoutMs, undoFile, database } = request;
  const said = { database, source, at: runtime.clock.now() };
  let committing = false;
  try {
    return await insertMissing(writer, {
      ...what,
      where,
      disableTriggers,
      lockTimeoutMs,
      observer,
      beforeCommit: async (compared) => {
        await writeUndoFile(writer, undoFile, compared, said);
        committing = true;
      },
    });
  } catch (error) {
    // Only the server can say that it did not commit. Where it could not say it, the file stays.
    if (!committing || isAppError(error, "query_failed")) await removeUndoFile(undoFile);
    else
      runtime.reporter.warn(
        `nobody knows whether the rows were inserted, for the connection was lost meanwhile: look, or run it again; ${undoFile} takes them out`,
      );
    throw error;
  }
}
