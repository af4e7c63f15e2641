import { randomBytes } from "node:crypto";
import { stat } from "node:fs/promises";
import type { Rebuild } from "../config/rebuild.ts";
import { AppError, errorCode } from "../errors.ts";
import { endMarked } from "../lib/process-group.ts";
import type { Runtime } from "../lib/runtime.ts";
import { counted, formatBytes } from "../lib/text.ts";
import { connectBeside, countUserObjects, databaseExists } from "../postgres/admin.ts";
import type { ConnectionSettings } from "../postgres/connection.ts";
import { commentSql } from "../postgres/marker.ts";
import { applyProperties, type Properties, readProperties } from "../postgres/properties.ts";
import { readRelationRoots } from "../postgres/relation-roots.ts";
import { connect, quoteIdentifier, type Session } from "../postgres/session.ts";
import { analyzeDatabase } from "../postgres/statistics.ts";
import type { Place } from "./places.ts";
import { REBUILD_MARK, runRebuildCommand } from "./rebuild-command.ts";
import { NO_FIGURES, recordingRun } from "./record-run.ts";
import { isMakerGone } from "../repository/maker.ts";
import {
  createTemporaryDatabase,
  dropAbandoned,
  type TemporaryDatabase,
} from "./restore/temporary-database.ts";
import { lookAtSources, type SourceFacts } from "./sources/look-at-sources.ts";

export interface RebuildRequest {
  /** The name in the strategy and in the repository. */
  readonly database: string;
  readonly rebuild: Rebuild;
  /** The database that it becomes: not there yet, or empty. */
  readonly connection: ConnectionSettings;
  /** Where it is recorded how long it took. */
  readonly places: readonly Place[];
  /** By which it is known again: `rebuiltBy` tells it of the database that was made. */
  readonly id: string;
  /** Compares what was made with something else, before it gets its name; says each difference. */
  readonly compare: (session: Session, signal: AbortSignal) => Promise<readonly string[]>;
}

export interface RebuildReport {
  readonly tables: number;
  readonly rows: number;
  /** Bytes of the sources. */
  readonly sourceBytes: number;
  readonly differences: readonly string[];
}

/**
 * Makes a database anew from its sources, with the strategy's commands: in a database under a temporary name, which gets its
 * own only once all of them have ended well and something is in it. On failure nothing is left. That it was made, from how
 * much and in which time is recorded. Errors: `source_missing` before anything is made, `target_exists`, `tool_failed` of a
 * command, and those of the server.
 */
export async function rebuildDatabase(
  runtime: Runtime,
  request: RebuildRequest,
  signal: AbortSignal,
): Promise<RebuildReport> {
  const { database, places } = request;
  const storages = places.map(({ storage }) => storage);
  let sources: readonly SourceFacts[] = [];
  return await recordingRun(
    runtime,
    { operation: "rebuild", database, entry: null, storages },
    async () => {
      sources = await requireSources(runtime, request, signal);
      return await make(runtime, request, sources, signal);
    },
    ({ tables, rows, differences }) => ({
      outcome: "done",
      backup: null,
      figures: { ...NO_FIGURES, rows },
      sources: sources.flatMap(({ source, files, bytes }) => (bytes === 0 ? [] : [{ source, files, bytes }])),
      summary: `${counted(tables, "table")} made from ${counted(sources.length, "source")}${differences.length === 0 ? "" : `; ${counted(differences.length, "difference")} to the backup`}`,
    }),
    signal,
  );
}

/** What the sources have. Fails with `source_missing` where one is not there, or where the commands cannot run. */
export async function requireSources(
  runtime: Runtime,
  { database, rebuild }: Pick<RebuildRequest, "database" | "rebuild">,
  signal: AbortSignal,
): Promise<readonly SourceFacts[]> {
  const { sources, directory } = rebuild;
  const found = await lookAtSources(runtime, sources, signal);
  const problems = found.flatMap(({ source, problem }) =>
    problem === null
      ? []
      : [`${source} ${problem.kind === "missing" ? "is missing" : "cannot be read"}: ${problem.reason}`],
  );
  const folder = await folderProblem(directory);
  if (folder !== undefined) problems.push(folder);
  if (problems.length > 0)
    throw new AppError("source_missing", `rebuild ${database}: ${problems.join("; ")}`, {
      hint: "bring them back, or restore the newest backup: `--from backup`",
      details: { problems },
    });
  for (const { source, bytes } of found)
    if (bytes === 0) runtime.reporter.warn(`${source}, which ${database} is rebuilt from, is empty`);
  return found;
}

async function folderProblem(directory: string): Promise<string | undefined> {
  try {
    if ((await stat(directory)).isDirectory()) return undefined;
    return `${directory}, where its commands run, is no folder`;
  } catch (error) {
    return `${directory}, where its commands run, cannot be used: ${errorCode(error) ?? "it cannot be read"}`;
  }
}

/** The id of the rebuild that made a database; undefined where none did. */
export async function rebuiltBy(admin: Session, database: string): Promise<string | undefined> {
  const comment = (await readProperties(admin, database))?.comment ?? "";
  return /^rebuilt by handled from its sources at \S+, ([0-9a-f]+)$/.exec(comment)?.[1];
}

async function make(
  runtime: Runtime,
  request: RebuildRequest,
  sources: readonly SourceFacts[],
  signal: AbortSignal,
): Promise<RebuildReport> {
  const { connection, database, rebuild } = request;
  const name = connection.database;
  await using admin = await connectBeside(runtime, connection, [name], signal);
  await endLeftBehind(runtime);
  await dropAbandoned(runtime, admin, signal);
  await requireEmpty(runtime, admin, connection, signal);
  const properties = await readProperties(admin, name);
  const sourceBytes = sources.reduce((sum, { bytes }) => sum + bytes, 0);
  await using made = await createTemporaryDatabase(runtime, admin, name, properties);
  const { settings } = made;
  runtime.reporter.note(
    `rebuilding ${database} from ${counted(sources.length, "source")} (${formatBytes(sourceBytes)}): ${rebuild.commands.map((command) => command.name).join(", ")}`,
  );
  for (const command of rebuild.commands)
    await runRebuildCommand(runtime, { database, rebuild, command, settings }, signal);
  const found = await look(runtime, request, settings, signal);
  for (const difference of found.differences) runtime.reporter.warn(`not as in the backup: ${difference}`);
  await giveName(runtime, { admin, made, connection, properties, id: request.id }, signal);
  return { ...found, sourceBytes };
}

/** What killed rebuilds left running. */
async function endLeftBehind(runtime: Runtime): Promise<void> {
  const left = await endMarked(REBUILD_MARK, async (value) => await isMakerGone(value.split("-")[0] ?? ""));
  if (left > 0)
    runtime.reporter.note(
      `killed ${counted(left, "process", "processes")} left behind by a rebuild that was killed`,
    );
}

async function requireEmpty(
  runtime: Runtime,
  admin: Session,
  connection: ConnectionSettings,
  signal: AbortSignal,
): Promise<void> {
  const { database } = connection;
  if (!(await databaseExists(admin, database))) return;
  await using session = await connect(runtime, connection, signal);
  const objects = await countUserObjects(session);
  if (objects === 0) return;
  throw new AppError(
    "target_exists",
    `rebuild into ${database}: it is not empty (${counted(objects, "object")})`,
    { hint: "is it the right server? A rebuild replaces nothing: name a new database with `--to`" },
  );
}

async function look(
  runtime: Runtime,
  { database, compare }: RebuildRequest,
  settings: ConnectionSettings,
  signal: AbortSignal,
): Promise<Omit<RebuildReport, "sourceBytes">> {
  await using session = await connect(runtime, settings, signal);
  const tables = [...new Set((await readRelationRoots(session)).values())];
  let rows = 0;
  for (const table of tables) {
    const [row] = await session.query<{ count: string }>(`select count(*) as count from ${table}`);
    rows += Number(row?.count);
  }
  if (rows === 0)
    throw new AppError(
      "tool_failed",
      `rebuild ${database}: all commands ended well, and there are no rows: ${counted(tables.length, "table")}`,
      { hint: "do they fill the database whose URL they are given in `databaseVariable`?" },
    );
  await analyzeDatabase(session);
  return { tables: tables.length, rows, differences: await compare(session, signal) };
}

interface Naming {
  readonly admin: Session;
  readonly made: TemporaryDatabase;
  readonly connection: ConnectionSettings;
  /** Of the empty database that has the name; null where none has. */
  readonly properties: Properties | null;
  readonly id: string;
}

/** In one transaction with the comment that says who made it. An empty database of that name makes room, and is dropped. */
async function giveName(
  runtime: Runtime,
  { admin, made, connection, properties, id }: Naming,
  signal: AbortSignal,
): Promise<void> {
  const name = connection.database;
  const comment = `rebuilt by handled from its sources at ${runtime.clock.now().toISOString()}, ${id}`;
  if (properties !== null) {
    for (const omission of await applyProperties(admin, made.name, { ...properties, comment: null }))
      runtime.reporter.warn(`left out: ${omission}`);
    await requireEmpty(runtime, admin, connection, signal);
  }
  // Connections of the commands that nobody has closed; renaming waits for those that are just ending.
  await admin.query(
    "select pg_catalog.pg_terminate_backend(pid) from pg_catalog.pg_stat_activity where datname = $1 and usename = current_user",
    [made.name],
  );
  // Under a name of ours: should we be killed before it is dropped, the next run recognises it.
  const aside = made.name.replace(/(?<=^handled_restoring_)[0-9a-f]{8}/, randomBytes(4).toString("hex"));
  const rename = (from: string, to: string): string =>
    `alter database ${quoteIdentifier(from)} rename to ${quoteIdentifier(to)}`;
  await admin.query("begin");
  await admin.query(commentSql(made.name, comment));
  if (properties !== null) await admin.query(rename(name, aside));
  await admin.query(rename(made.name, name));
  await admin.query("commit");
  made.keep();
  if (properties !== null) await admin.query(`drop database ${quoteIdentifier(aside)}`);
}
