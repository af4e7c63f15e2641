import { AppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { formatLocalTime } from "../../lib/local-time.ts";
import { counted, formatBytes } from "../../lib/text.ts";
import { connectBeside, countUserObjects, databaseExists } from "../../postgres/admin.ts";
import { chooseClient, findClients, type PostgresClient } from "../../postgres/clients.ts";
import type { ConnectionSettings } from "../../postgres/connection.ts";
import { commentSql } from "../../postgres/marker.ts";
import { applyProperties, type Properties } from "../../postgres/properties.ts";
import { ensureRoles } from "../../postgres/roles.ts";
import { connect, isSqlState, quoteIdentifier, type Session } from "../../postgres/session.ts";
import { serverFreeBytes } from "../../postgres/space.ts";
import type { Storage } from "../../storage/storage.ts";
import type { ApplicationCommands } from "../application.ts";
import type { RowComparison } from "./compare-rows.ts";
import { fillDatabase } from "./fill.ts";
import { type CheckedSource, checkSource, isWhole, requireSchemasIn, type Selection } from "./plan.ts";
import { copySelection, requireAbsent } from "./select.ts";
import { freeName } from "./names.ts";
import { findSource } from "./source.ts";
import { type SwapResult, swapDatabase } from "./swap.ts";
import { createTemporaryDatabase, dropAbandoned } from "./temporary-database.ts";
import { whileStopped } from "./while-stopped.ts";

export type RestoreTarget =
  /** A new database on the server of `connection`; null: a name is made from the database's and the time. */
  | { readonly kind: "new"; readonly name: string | null }
  /** The database that `connection` names: created when it is not there, else it must be empty. */
  | { readonly kind: "to" }
  /** In place of the database that `connection` names. */
  | { readonly kind: "swap"; readonly application: ApplicationCommands | null };

/** What a restore is about to do, for a person to agree to. */
export interface RestorePreview {
  readonly database: string;
  readonly source: string;
  /** When the backup's data is from; null for a foreign archive. */
  readonly snapshotAt: Date | null;
  readonly target: string;
  readonly tables: number;
  readonly rows: number;
  readonly replaces: boolean;
}

export interface RestoreRequest {
  readonly database: string;
  /** `latest`, a backup's id, an archive's name, a path. */
  readonly which: string;
  readonly storage: Storage | null;
  readonly connection: ConnectionSettings;
  readonly target: RestoreTarget;
  readonly selection: Selection;
  readonly timeZone: string;
  readonly keepReplacedMs: number;
  readonly lockTimeoutMs: number;
  readonly dryRun: boolean;
  /** Throws `not_confirmed` when the user does not agree. Called before anything is created or stopped. */
  readonly confirm: (preview: RestorePreview) => Promise<void>;
}

export interface RestoreReport {
  readonly preview: RestorePreview;
  /** Null after a dry run. */
  readonly done: {
    readonly restoredInto: string;
    readonly tables: number;
    readonly rows: number;
    readonly durationMs: number;
    /** After a swap: where the replaced database stays. */
    readonly swap: SwapResult | null;
  } | null;
}

/**
 * Brings a backup back. The archive is read and checked whole before anything is created; the work is done in a
 * database of its own under a temporary name; only after every table's rows were counted and found equal does it get
 * its final name. On failure it is dropped, and what was there before was never touched.
 */
export async function restoreDatabase(
  runtime: Runtime,
  request: RestoreRequest,
  signal: AbortSignal,
): Promise<RestoreReport> {
  requireSensible(request);
  const started = runtime.clock.monotonic();
  const source = await findSource(runtime, request.storage, request.database, request.which, signal);
  await using admin = await connectBeside(runtime, request.connection, [request.connection.database], signal);
  const client = chooseClient(await findClients(runtime, signal), admin.serverVersion);
  const into = await finalName(runtime, request, admin, signal);
  const checked = await checkSource(runtime, source, client, signal);
  requireSchemasIn(checked, request.selection);
  const run: Run = { runtime, request, admin, client, checked };
  // What a killed restore left may be what the space is missing for.
  if (!request.dryRun) await dropAbandoned(runtime, admin, signal);
  await requireServerSpace(run, signal);
  const preview = previewOf(run, into);
  if (request.dryRun) return { preview, done: null };
  await request.confirm(preview);
  const created = await ensureRoles(admin, checked.facts.roles);
  if (created.length > 0) runtime.reporter.note(`created roles without login: ${created.join(", ")}`);
  const { comparison, swap } = await bringBack(run, into, signal);
  const durationMs = Math.round(runtime.clock.monotonic() - started);
  return { preview, done: { restoredInto: into, ...comparison, durationMs, swap } };
}

interface Run {
  readonly runtime: Runtime;
  readonly request: RestoreRequest;
  readonly admin: Session;
  readonly client: PostgresClient;
  readonly checked: CheckedSource;
}

interface Outcome {
  readonly comparison: RowComparison;
  readonly swap: SwapResult | null;
}

function requireSensible({ selection, target }: RestoreRequest): void {
  if (selection.schemas.length > 0 && selection.tables.length > 0) {
    throw new AppError("usage", "restore: `--schema` and `--table` cannot be combined", {
      hint: "name the tables of the schema, or run the command twice",
    });
  }
  if (target.kind === "swap" && selection.tables.length > 0) {
    throw new AppError("usage", "restore: `--swap` replaces whole schemas, not single tables", {
      hint: "restore the tables with `--new-database NAME`, look at them, and copy what is needed",
    });
  }
}

async function bringBack(run: Run, into: string, signal: AbortSignal): Promise<Outcome> {
  const { request } = run;
  switch (request.target.kind) {
    case "new":
      return { comparison: await intoNew(run, into, signal), swap: null };
    case "to":
      return (await databaseExists(run.admin, into))
        ? { comparison: await intoExisting(run, signal), swap: null }
        : { comparison: await intoNew(run, into, signal), swap: null };
    case "swap": {
      const swapping = (): Promise<Outcome> => bySwap(run, signal);
      const { application } = request.target;
      return application === null
        ? await swapping()
        : await whileStopped(run.runtime, application, { work: swapping, ...SWAPPED }, signal);
    }
  }
}

const SWAPPED = {
  done: "the database was swapped",
  hint: "`handled restore DATABASE --undo` puts the old database back",
};

/** Restores under a temporary name and renames at the end. */
async function intoNew(run: Run, name: string, signal: AbortSignal): Promise<RowComparison> {
  const { runtime, admin, client, checked } = run;
  const properties = checked.source.manifest?.content.database ?? null;
  await using made = await createTemporaryDatabase(runtime, admin, name, properties);
  const comparison = await fill(run, { client, settings: made.settings, beside: "empty" }, signal);
  if (properties !== null) {
    const leftOut = await applyProperties(admin, made.name, {
      ...properties,
      comment: null,
    } satisfies Properties);
    for (const omission of leftOut) runtime.reporter.warn(`left out: ${omission}`);
  }
  try {
    await admin.query("begin");
    await admin.query(commentSql(made.name, properties?.comment ?? null));
    await admin.query(`alter database ${quoteIdentifier(made.name)} rename to ${quoteIdentifier(name)}`);
    await admin.query("commit");
  } catch (error) {
    if (isSqlState(error, DUPLICATE_DATABASE)) throw targetExists(name);
    throw error;
  }
  made.keep();
  return comparison;
}

const DUPLICATE_DATABASE = "42P04";

/** Restores into a database that was there before, in one transaction: all of it, or nothing. */
async function intoExisting(run: Run, signal: AbortSignal): Promise<RowComparison> {
  const { runtime, request, client, checked } = run;
  const settings = request.connection;
  if (!isWhole(request.selection)) return await fill(run, { client, settings, beside: "live" }, signal);
  return await fillDatabase(runtime, checked, { client, settings, singleTransaction: true }, signal);
}

async function bySwap(run: Run, signal: AbortSignal): Promise<Outcome> {
  const { runtime, request, admin, client, checked } = run;
  let comparison: RowComparison = { tables: 0, rows: 0 };
  const swap = await swapDatabase(
    runtime,
    {
      client,
      admin,
      live: request.connection,
      inside: insideOf(run),
      by: checked.source.label,
      timeZone: request.timeZone,
      keepReplacedMs: request.keepReplacedMs,
      lockTimeoutMs: request.lockTimeoutMs,
      fill: async (settings) => {
        comparison = await fill(run, { client, settings, beside: "live" }, signal);
      },
    },
    signal,
  );
  return { comparison, swap };
}

/**
 * The schemas that a swap brings back; null for a backup of the whole database. A foreign archive does not say what it
 * is of; the schemas in it are all we know.
 */
function insideOf({ request, checked: { source, facts } }: Run): readonly string[] | null {
  if (request.selection.schemas.length > 0) return request.selection.schemas;
  if (source.manifest !== null) return source.manifest.index.schemas;
  return [...new Set([...facts.schemas, ...facts.tables.map((table) => table.schema)])];
}

/** The whole archive, or the chosen part of it by way of a scratch database that holds the whole. */
async function fill(
  run: Run,
  target: { client: PostgresClient; settings: ConnectionSettings; beside: "empty" | "live" },
  signal: AbortSignal,
): Promise<RowComparison> {
  const { runtime, request, admin, client, checked } = run;
  if (isWhole(request.selection)) {
    return await fillDatabase(
      runtime,
      checked,
      { client, settings: target.settings, singleTransaction: false },
      signal,
    );
  }
  const properties = checked.source.manifest?.content.database ?? null;
  await using scratch = await createTemporaryDatabase(runtime, admin, request.database, properties);
  await fillDatabase(
    runtime,
    checked,
    { client, settings: scratch.settings, singleTransaction: false },
    signal,
  );
  return await copySelection(
    runtime,
    {
      client,
      from: scratch.settings,
      to: target.settings,
      selection: request.selection,
      beside: target.beside,
    },
    signal,
  );
}

/** The name that the restored database will have. Fails early with `target_exists` when it would be in the way. */
async function finalName(
  runtime: Runtime,
  request: RestoreRequest,
  admin: Session,
  signal: AbortSignal,
): Promise<string> {
  const { target, connection, selection } = request;
  switch (target.kind) {
    case "swap":
      return connection.database;
    case "to":
      if (await databaseExists(admin, connection.database)) {
        await using session = await connect(runtime, connection, signal);
        await (isWhole(selection) ? requireEmpty(session) : requireAbsent(session, selection));
      }
      return connection.database;
    case "new": {
      const name = target.name ?? (await restoredName(request, admin, runtime.clock.now()));
      if (Buffer.byteLength(name, "utf8") > 63) {
        throw new AppError("usage", `restore into ${name}: a name has at most 63 bytes`);
      }
      if (await databaseExists(admin, name)) throw targetExists(name);
      return name;
    }
  }
}

async function requireEmpty(session: Session): Promise<void> {
  const objects = await countUserObjects(session);
  if (objects === 0) return;
  throw new AppError(
    "target_exists",
    `restore into ${session.settings.database}: it is not empty (${counted(objects, "object")})`,
    {
      hint: "name a new database, or put the backup in its place with `--swap`",
    },
  );
}

async function restoredName(
  { connection, timeZone }: RestoreRequest,
  admin: Session,
  now: Date,
): Promise<string> {
  return await freeName(admin, connection.database, `_restored_${formatLocalTime(now, timeZone)}`);
}

function targetExists(name: string): AppError {
  return new AppError("target_exists", `restore into ${name}: the database exists already`, {
    hint: "choose another name; `--swap` puts the backup in place of a database and keeps the old one",
  });
}

// Indexes and free space in pages differ from the source by a little; a full disk in the last minute costs the most.
const SPACE_MARGIN = 1.1;

/** Fails early when the server's disk certainly cannot take what the backup holds. */
async function requireServerSpace(run: Run, signal: AbortSignal): Promise<void> {
  const { request, admin, checked } = run;
  signal.throwIfAborted();
  const free = await serverFreeBytes(admin);
  if (free === undefined) return;
  const { manifest } = checked.source;
  const stored = manifest?.index.totals.serverBytes ?? checked.facts.bytes;
  // A swap of some schemas copies the rest of the live database as well.
  const beside = request.target.kind === "swap" && insideOf(run) !== null;
  const once = beside ? Math.max(stored, await liveBytes(admin, request.connection)) : stored;
  // Chosen parts pass through a scratch database that holds the whole. And all of it passes through the log first, which
  // grows to its own limit: a server that cannot write its log stops, with every database that it serves.
  const data = Math.round(once * SPACE_MARGIN * (isWhole(request.selection) ? 1 : 2));
  const needed = data + Math.min(data, await logLimit(admin));
  if (needed <= free) return;
  throw new AppError(
    "space_missing",
    `restore ${request.database}: it needs about ${formatBytes(needed)}, the server's disk has ${formatBytes(free)} free`,
    {
      hint: "free some space (`handled doctor` lists databases kept after a swap), or restore to another server (`--to`)",
    },
  );
}

/** Bytes that the server's write-ahead log takes before it is recycled. */
async function logLimit(admin: Session): Promise<number> {
  const [row] = await admin.query<{ bytes: string }>(
    "select pg_catalog.pg_size_bytes(pg_catalog.current_setting('max_wal_size')) as bytes",
  );
  return Number(row?.bytes ?? 0);
}

async function liveBytes(admin: Session, { database }: ConnectionSettings): Promise<number> {
  const [row] = await admin.query<{ bytes: string }>(
    "select pg_catalog.pg_database_size(oid) as bytes from pg_catalog.pg_database where datname = $1",
    [database],
  );
  return Number(row?.bytes ?? 0);
}

function previewOf({ request, checked }: Run, into: string): RestorePreview {
  const { manifest, label } = checked.source;
  return {
    database: request.database,
    source: label,
    snapshotAt: manifest === null ? null : new Date(manifest.index.snapshotAt),
    target: `${into} on ${describeServer(request.connection)}`,
    tables: checked.expected.filter((table) => table.rows !== null).length,
    rows: checked.expected.reduce((sum, table) => sum + (table.rows ?? 0), 0),
    replaces: request.target.kind === "swap",
  };
}

function describeServer(connection: ConnectionSettings): string {
  return connection.hosts.map(({ host, port }) => `${host}:${port}`).join(",");
}
