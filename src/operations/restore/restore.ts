import { AppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { counted } from "../../lib/text.ts";
import { connectBeside, databaseExists } from "../../postgres/admin.ts";
import { chooseClient, findClients, type PostgresClient } from "../../postgres/clients.ts";
import type { ConnectionSettings } from "../../postgres/connection.ts";
import { commentSql } from "../../postgres/marker.ts";
import { applyProperties } from "../../postgres/properties.ts";
import { dropRoles, ensureRoles } from "../../postgres/roles.ts";
import { isSqlState, quoteIdentifier, type Session } from "../../postgres/session.ts";
import { recordingDamage } from "../record-damage.ts";
import type { RowComparison } from "./compare-rows.ts";
import { NEVER_MEASURED, timeInRepository } from "./estimate.ts";
import { fillDatabase } from "./fill.ts";
import { type CheckedSource, checkSource, isWhole, namedTables, requireChosen } from "./plan.ts";
import type { RestorePreview, RestoreReport, RestoreRequest } from "./request.ts";
import { copySelection } from "./select.ts";
import { requireServerSpace, type SpaceNeed } from "./server-space.ts";
import { fillBeside, fillChosen } from "./select-snapshot.ts";
import { type BackupSource, findSource, holdSource, storedOf } from "./source.ts";
import { requireSwappable, type SwapResult, swapDatabase } from "./swap.ts";
import { chooseTargetName, targetExists } from "./target-name.ts";
import { createTemporaryDatabase, dropAbandoned } from "./temporary-database.ts";
import { whileStopped } from "./while-stopped.ts";

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
  const source = await findSource(runtime, { ...request, operation: "restore" }, signal);
  requireSameDatabase(request, source);
  await using _reading = await holdSource(runtime, source, signal);
  await using admin = await connectBeside(runtime, request.connection, [request.connection.database], signal);
  const client = chooseClient(await findClients(runtime, signal), admin.serverVersion);
  const into = await chooseTargetName(runtime, request, source, admin, signal);
  const check = async () => await checkSource(runtime, source, request.selection, client, signal);
  const checked = await recordingDamage(runtime, storedOf(source), "restore", check, signal);
  requireChosen(checked, request.selection);
  const run: Run = { runtime, request, admin, client, checked };
  // What a killed restore left may be what the space is missing for.
  if (!request.dryRun) await dropAbandoned(runtime, admin, signal);
  await requireServerSpace(admin, spaceNeed(run));
  if (request.target.kind === "swap") {
    const { connection: live } = request;
    await requireSwappable(runtime, { admin, live, inside: insideOf(run) }, signal);
  }
  const preview = await previewOf(run, into, signal);
  if (request.dryRun) return { preview, done: null };
  await request.confirm(preview);
  const { comparison, swap } = await withRoles(run, async () => await bringBack(run, into, signal));
  const durationMs = Math.round(runtime.clock.monotonic() - started);
  return { preview, done: { restoredInto: into, ...comparison, durationMs, swap } };
}

/** Makes the roles that the backup names. Those that were not there go again when the restore fails. */
async function withRoles<T>({ runtime, admin, checked }: Run, work: () => Promise<T>): Promise<T> {
  const created = await ensureRoles(admin, checked.facts.roles);
  if (created.length > 0) runtime.reporter.note(`created roles without login: ${created.join(", ")}`);
  try {
    return await work();
  } catch (error) {
    for (const problem of await dropRoles(runtime, admin.settings, created)) runtime.reporter.warn(problem);
    throw error;
  }
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

/** A backup of one database must not take the place of another because an address was mistyped. */
function requireSameDatabase(
  { target, connection }: RestoreRequest,
  { manifest, label }: BackupSource,
): void {
  if (target.kind !== "swap" || manifest === null) return;
  const of = manifest.index.server.database;
  if (of === connection.database) return;
  throw new AppError(
    "swap_refused",
    `swap ${connection.database}: backup ${label} is of the database ${of}, not of this one`,
    {
      hint: "check the URL; if it is meant, restore with `--new-database` and rename the databases yourself",
    },
  );
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
        : await whileStopped(run.runtime, application, { work: swapping, ...swapped(request) }, signal);
    }
  }
}

const swapped = ({ database }: RestoreRequest) => ({
  done: "the database was swapped",
  hint: `\`handled restore ${database} --undo\` puts the old database back`,
});

/** Restores under a temporary name and renames at the end. */
async function intoNew(run: Run, name: string, signal: AbortSignal): Promise<RowComparison> {
  const { runtime, admin, client, checked } = run;
  const properties = checked.source.manifest?.content.database ?? null;
  await using made = await createTemporaryDatabase(runtime, admin, name, properties);
  const comparison = await fill(run, { client, settings: made.settings, beside: "empty" }, signal);
  if (properties !== null) {
    const leftOut = await applyProperties(admin, made.name, { ...properties, comment: null });
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
  const target = { client, settings, singleTransaction: true, lanes: request.jobs, statistics: true };
  const work = async () => await fillDatabase(runtime, checked, target, signal);
  return await recordingDamage(runtime, storedOf(checked.source), "restore", work, signal);
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
        await request.alsoCheck?.(settings);
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

interface FillTarget {
  readonly client: PostgresClient;
  readonly settings: ConnectionSettings;
  readonly beside: "empty" | "live";
}

/** The whole backup, or the chosen part of it. */
async function fill(run: Run, target: FillTarget, signal: AbortSignal): Promise<RowComparison> {
  const work = async () => await fillFrom(run, target, signal);
  return await recordingDamage(run.runtime, storedOf(run.checked.source), "restore", work, signal);
}

async function fillFrom(run: Run, target: FillTarget, signal: AbortSignal): Promise<RowComparison> {
  const { runtime, request, admin, client, checked } = run;
  const { selection, jobs: lanes } = request;
  const whole = { client, singleTransaction: false, lanes, statistics: true };
  if (isWhole(selection)) {
    return await fillDatabase(runtime, checked, { ...whole, settings: target.settings }, signal);
  }
  const { source } = checked;
  const to = target.settings;
  if (source.kind === "snapshot" && target.beside === "empty") {
    return await fillChosen(runtime, { source, selection, client, to, lanes }, signal);
  }
  const properties = source.manifest?.content.database ?? null;
  await using scratch = await createTemporaryDatabase(runtime, admin, request.database, properties);
  const from = scratch.settings;
  if (source.kind === "snapshot") {
    return await fillBeside(runtime, { source, selection, client, from, to, lanes }, signal);
  }
  const all = await fillDatabase(runtime, checked, { ...whole, settings: from }, signal);
  runtime.reporter.note(
    `the whole archive is in a scratch database: ${counted(all.rows, "row")} in ${counted(all.tables, "table")}, as in the backup; what was chosen is copied from there`,
  );
  return await copySelection(runtime, { client, from, to, selection, beside: target.beside }, signal);
}

function spaceNeed(run: Run): SpaceNeed {
  const { request, checked } = run;
  const { manifest } = checked.source;
  const throughScratch = !isWhole(request.selection) && !isFilledInPlace(run);
  return {
    stored: Math.round((manifest?.index.totals.serverBytes ?? checked.facts.bytes) * shareOf(run)),
    copies: throughScratch ? 2 : 1,
    copied: request.target.kind === "swap" && insideOf(run) !== null ? request.connection.database : null,
  };
}

/** Whether what is chosen of a snapshot is loaded right into the database that was made for it. */
function isFilledInPlace({ request, checked }: Run): boolean {
  return checked.source.kind === "snapshot" && request.target.kind === "new";
}

/** How much of the backup's rows are loaded, 0 to 1; of a snapshot only those of chosen tables are. */
function shareOf({ request, checked: { source } }: Run): number {
  if (source.kind === "archive") return 1;
  const { tables } = source.manifest;
  const all = bytesOf(tables);
  return all === 0 ? 1 : bytesOf(namedTables(tables, request.selection) ?? tables) / all;
}

const bytesOf = (lines: readonly { readonly bytes: number }[]): number =>
  lines.reduce((sum, { bytes }) => sum + bytes, 0);

async function previewOf(run: Run, into: string, signal: AbortSignal): Promise<RestorePreview> {
  const { runtime, request, checked } = run;
  const { source } = checked;
  const { manifest, label } = source;
  const { selection } = request;
  const chosen = namedTables(checked.expected, selection);
  const lines = chosen ?? checked.expected;
  const tables = lines.filter(({ rows }) => rows !== null);
  const repository = source.kind === "snapshot" ? source.repository : source.manifest?.repository;
  const bytes = manifest === null ? null : Math.round(bytesOf(manifest.tables) * shareOf(run));
  return {
    database: request.database,
    source: label,
    backup: manifest?.index.id ?? null,
    snapshotAt: manifest === null ? null : new Date(manifest.index.snapshotAt),
    target: `${into} on ${describeServer(request.connection)}`,
    tables: tables.length,
    rows: tables.reduce((sum, table) => sum + (table.rows ?? 0), 0),
    refilled: lines.length - tables.length,
    part: isWhole(selection) ? "whole" : chosen === null ? "unknown" : "chosen",
    schemas: manifest?.index.schemas ?? null,
    replaces: request.target.kind === "swap",
    bytes,
    time:
      repository === undefined || bytes === null
        ? NEVER_MEASURED
        : await timeInRepository(runtime, repository, { database: request.database, bytes }, signal),
    checked: source.kind === "archive" ? "whole" : "parts",
  };
}

function describeServer(connection: ConnectionSettings): string {
  return connection.hosts.map(({ host, port }) => `${host}:${port}`).join(",");
}
