import { runTogether } from "../../lib/concurrency.ts";
import type { Runtime } from "../../lib/runtime.ts";
import type { PostgresClient } from "../../postgres/clients.ts";
import type { ConnectionSettings } from "../../postgres/connection.ts";
import { connect, quoteName, type Session } from "../../postgres/session.ts";
import type { SnapshotContent, SnapshotTable } from "../../repository/manifest.ts";
import type { Repository } from "../../repository/repository.ts";
import { Omissions, readRoleLimits } from "../archive/leave-out.ts";
import { chooseEntries, type LeftForeignKey } from "./load-choice.ts";
import { isLargeObjects } from "./large-objects.ts";
import { describeLargeObjects, fillLargeObjects } from "./large-objects-load.ts";
import { fastSettings, type LoadLane, openLanes, sessionLane, WORTH_A_THREAD } from "./load-lane.ts";
import { planLoad } from "./load-plan.ts";
import { LoadProgress } from "./load-progress.ts";
import { TableRows } from "./load-rows.ts";
import { startLoadThreads } from "./load-thread.ts";
import { readScript, type RelationName, type ScriptEntry } from "./load-script.ts";

import { runTasks } from "./load-tasks.ts";
import { readPartitionTrees } from "./load-trees.ts";
import { refreshViews } from "./load-views.ts";
import { orderEntries } from "./restore-order.ts";
import { withTemporaryFile } from "./schema.ts";

export interface LoadSnapshot {
  readonly repository: Repository;
  readonly database: string;
  readonly tables: readonly SnapshotTable[];
  readonly content: SnapshotContent;
  readonly client: PostgresClient;
  /** The target: a database that has the extensions that the schema does not create. */
  readonly settings: ConnectionSettings;
  /** Connections that work at the same time. */
  readonly lanes: number;
  /** Whether somebody will use the database: then it gets statistics. */
  readonly statistics: boolean;
  /**
   * Set for a database that was there before: all happens in one transaction, on one connection, which is committed after
   * this function succeeded.
   */
  readonly atomic?: (session: Session) => Promise<void>;
  /**
   * Set to load the rows of some tables only: says which, as quoted names, once all definitions that rows need are there.
   * The other tables stay empty, and no materialized view is filled. Some of these are still to come.
   */
  readonly choose?: (session: Session, toCome: readonly RelationName[]) => Promise<ReadonlySet<string>>;
}

export interface LoadedSnapshot {
  /** What the role could not do and was left out, in words. */
  readonly leftOut: readonly string[];
  /** Foreign keys of chosen tables to tables that were not chosen: they could not hold. */
  readonly leftForeignKeys: readonly LeftForeignKey[];
}

/**
 * Loads a snapshot: definitions that rows need; then, on several connections, rows, indexes as soon as their table's rows
 * are in, foreign keys, statistics; then what would have been in the way (triggers, rules, policies, privileges,
 * comments), and materialized views. Stops at the first error: `backup_damaged` naming table and part, or the server's
 * (`query_failed` and others of `Session.query`) naming the definition.
 */
export async function loadSnapshot(
  runtime: Runtime,
  request: LoadSnapshot,
  signal: AbortSignal,
): Promise<LoadedSnapshot> {
  await using owned = new AsyncDisposableStack();
  // One connection's failure must end what the others do at once: a COPY may take hours.
  const failed = new AbortController();
  const stop = AbortSignal.any([signal, failed.signal]);
  const filled = request.tables.filter(({ bytes }) => bytes > 0);
  const worthIt = request.atomic === undefined && sumOf(filled) >= WORTH_A_THREAD;
  const count = worthIt ? Math.min(request.lanes, filled.length) : 0;
  const threads = owned.use(startLoadThreads(runtime, count, stop));
  const main = owned.use(await connect(runtime, request.settings, stop));
  const omissions = new Omissions(await readRoleLimits(main), false);
  const archive = Buffer.from(request.content.schemaArchive, "base64");
  const script = await withTemporaryFile(runtime, archive, (path) =>
    readScript(runtime, { client: request.client, path, omissions }, stop),
  );
  const { repository, database, settings, lanes } = request;
  const lane = {
    settings,
    script,
    fast: await fastSettings(main, lanes),
    place: { storage: repository.storage, database },
    lanes,
    atomic: request.atomic !== undefined,
  };
  const first = { ...(await sessionLane(main, lane, stop)), session: main };
  if (request.atomic !== undefined) await main.query("begin");
  const open = (rowBytes: number, pieces: number): Promise<readonly LoadLane[]> =>
    openLanes(runtime, { ...lane, first, threads, rowBytes, lanes: Math.min(lanes, pieces) }, owned, stop);
  const left = await load(runtime, request, { first, open, entries: script.entries }, failed, stop);
  if (request.atomic !== undefined) {
    await request.atomic(main);
    await main.query("commit");
  }
  return { ...left, leftOut: [...omissions.list(), ...left.leftOut] };
}

interface Loading {
  readonly first: LoadLane & { readonly session: Session };
  /** Opens the lanes that work in parallel, for so many bytes of rows and pieces of work. */
  readonly open: (rowBytes: number, pieces: number) => Promise<readonly LoadLane[]>;
  readonly entries: readonly ScriptEntry[];
}

async function load(
  runtime: Runtime,
  request: LoadSnapshot,
  { first, open, entries }: Loading,
  failed: AbortController,
  signal: AbortSignal,
): Promise<LoadedSnapshot> {
  const { repository, database, content } = request;
  const { session } = first;
  const order = orderEntries(entries);
  const openFor = (of: readonly SnapshotTable[]): Promise<readonly LoadLane[]> =>
    open(sumOf(of), of.length + order.parallel.length);
  const restoreBefore = async (): Promise<void> => {
    for (const entry of order.before) await first.restore(entry);
  };
  // Threads take a moment to start. Where tables are chosen, their number is not known yet.
  const [opened] = await runTogether(
    async () => (request.choose === undefined ? await openFor(request.tables) : undefined),
    restoreBefore,
    signal,
  );
  const toCome = order.after.flatMap(({ creates }) => creates ?? []);
  const chosen = await request.choose?.(session, toCome);
  const trees = await readPartitionTrees(session);
  const choice = chooseEntries(order, trees, chosen);
  const tables = request.tables.filter(
    (table) =>
      table.partList !== null &&
      !isLargeObjects(table) &&
      (chosen === undefined || chosen.has(quoteName(table.schema, table.name))),
  );
  const progress = new LoadProgress(runtime, {
    bytes: sumOf(tables),
    tables: tables.length,
    entries: choice.parallel,
  });
  const objects = {
    repository,
    database,
    tables: chosen === undefined ? request.tables.filter(isLargeObjects) : [],
    inTransaction: request.atomic !== undefined,
  };
  const tasks = planLoad({
    tables,
    entries: choice.parallel,
    made: new Map(
      order.before.flatMap(({ id, creates }) =>
        creates === null ? [] : [[id, quoteName(creates.schema, creates.name)]],
      ),
    ),
    trees,
    lanes: request.lanes,
    atomic: request.atomic !== undefined,
    // Materialized views are filled by queries, which could take for ever without.
    statistics: request.statistics || request.tables.some(({ rows }) => rows === null),
    rowsOf: (table) => new TableRows(repository, database, table, signal),
    progress,
  });
  tasks.push({
    cost: sumOf(objects.tables),
    needs: [],
    alone: [],
    shared: [],
    run: (lane) =>
      // Its connection is idle while the others work in threads.
      fillLargeObjects(
        lane.session ?? session,
        objects,
        (read) => progress.loaded("large objects", read),
        signal,
      ),
  });
  progress.expect(tasks);
  await runTasks(tasks, opened ?? (await openFor(tables)), (error) => failed.abort(error));
  await setSequences(session, content.sequences);
  const leftOut = await describeLargeObjects(session, objects, signal);
  for (const entry of choice.after) await first.restore(entry);
  if (chosen === undefined) {
    await refreshViews(
      session,
      request.tables.filter((table) => table.rows === null),
    );
  }
  for (const entry of choice.last) await first.restore(entry);
  return { leftForeignKeys: choice.leftForeignKeys, leftOut };
}

/** Bytes of the rows in tables. */
function sumOf(tables: readonly SnapshotTable[]): number {
  return tables.reduce((sum, { bytes }) => sum + bytes, 0);
}

async function setSequences(session: Session, sequences: SnapshotContent["sequences"]): Promise<void> {
  await session.query(
    `select pg_catalog.setval(pg_catalog.format('%I.%I', s.schema, s.name)::regclass, s.value::int8, s.called)
       from rows from (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[]), pg_catalog.unnest($3::text[]),
                       pg_catalog.unnest($4::bool[])) as s(schema, name, value, called)`,
    [
      sequences.map(({ schema }) => schema),
      sequences.map(({ name }) => name),
      sequences.map(({ value }) => value),
      sequences.map(({ called }) => called),
    ],
  );
}
