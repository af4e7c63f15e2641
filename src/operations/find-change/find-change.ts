import { AppError, isAppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { nearest } from "../../lib/text.ts";
import type { ConnectionSettings } from "../../postgres/connection.ts";
import { connect, quoteName } from "../../postgres/session.ts";
import { readTables } from "../../repository/backups.ts";
import type { BackupIndex, TableLine } from "../../repository/manifest.ts";
import { markReading } from "../../repository/readers.ts";
import { openRepository, type Repository } from "../../repository/repository.ts";
import type { Storage } from "../../storage/storage.ts";
import { listGoodBackups } from "../damage-found.ts";
import { isOfPlace } from "../places.ts";
import { recordingDamage } from "../record-damage.ts";
import { HOW_TO_WRITE, isWrittenAs } from "../restore/plan.ts";
import { MatchingRows } from "./count-matching.ts";
import type { Change, FindChangeReport, Loss, Moment } from "./report.ts";

export interface FindChangeRequest {
  readonly database: string;
  readonly storages: readonly Storage[];
  /** `schema.table`, or its bare name where only one is called so. */
  readonly table: string;
  /** An SQL condition on its rows. */
  readonly where: string | null;
  /** The oldest backup to look at, by its id; null: all that are kept. */
  readonly from: string | null;
  /** Null where nothing says where the live database is. */
  readonly live: ConnectionSettings | null;
  readonly lanes: number;
}

interface Kept {
  readonly repository: Repository;
  readonly index: BackupIndex;
  readonly tables: readonly TableLine[];
}

/**
 * Says in which backup rows of a table were last seen. Without a condition nothing but summaries is read: rows and digests
 * tell. With one, `MatchingRows` reads each part once.
 */
export async function findChange(
  runtime: Runtime,
  request: FindChangeRequest,
  signal: AbortSignal,
): Promise<FindChangeReport> {
  const kept = await collect(runtime, request, signal);
  const table = resolveTable(kept, request.table);
  await using held = new AsyncDisposableStack();
  for (const [repository, ids] of byRepository(kept)) {
    const reading = { operation: "find-change", backups: ids } as const;
    held.use(await markReading(runtime, repository, request.database, reading, signal));
  }
  const matching = await openMatching(runtime, request, table, held, signal);
  const moments: Moment[] = [];
  let before: TableLine | undefined;
  for (const { repository, index, tables } of kept) {
    const line = tables.find((one) => one.schema === table.schema && one.name === table.name);
    const count = async (): Promise<number | null> =>
      line === undefined || matching === null ? null : await matching.stored({ repository, index, line });
    moments.push({
      id: index.id,
      kind: index.kind,
      at: new Date(index.snapshotAt),
      rows: line?.rows ?? null,
      change: moments.length === 0 ? { kind: "first" } : compare(before, line),
      matching: await recordingDamage(runtime, { repository, index }, "diff", count, signal),
    });
    before = line;
  }
  const live = await lookAtLive(runtime, request, table, matching, moments.at(-1), signal);
  if (typeof live !== "string") moments.push(live);
  return {
    database: request.database,
    ...table,
    where: request.where,
    moments,
    loss: latestLoss(moments, request.where !== null),
    liveUnknown: typeof live === "string" ? live : null,
    parts: { read: matching?.read ?? 0, named: matching?.named ?? 0 },
  };
}

/** The backups of all places, oldest first, each from the first place that has it. */
async function collect(
  runtime: Runtime,
  { database, storages, from }: FindChangeRequest,
  signal: AbortSignal,
): Promise<Kept[]> {
  const found = new Map<string, { repository: Repository; index: BackupIndex }>();
  const failures: AppError[] = [];
  for (const storage of storages) {
    try {
      const repository = await openRepository(runtime, storage, signal);
      const { backups } = await listGoodBackups(runtime, repository, database, signal);
      for (const index of backups) if (!found.has(index.id)) found.set(index.id, { repository, index });
    } catch (error) {
      if (!isOfPlace(error, signal)) throw error;
      failures.push(error);
      runtime.reporter.warn(`${storage.place} is not looked at: ${error.message}`);
    }
  }
  const [first] = failures;
  if (first !== undefined && failures.length === storages.length) throw first;
  const oldest = from === null ? undefined : found.get(from);
  if (from !== null && oldest === undefined) {
    throw new AppError("backup_missing", `find backup ${from}: there is no good one of that id`, {
      hint: `\`handled list ${database}\` shows what is there`,
    });
  }
  const since = oldest === undefined ? -Infinity : Date.parse(oldest.index.snapshotAt);
  const chosen = [...found.values()]
    .filter(({ index }) => Date.parse(index.snapshotAt) >= since)
    .toSorted((a, b) => Date.parse(a.index.snapshotAt) - Date.parse(b.index.snapshotAt));
  if (chosen.length === 0)
    throw new AppError("backup_missing", `look for a change: there is no good backup of ${database}`);
  const kept: Kept[] = [];
  for (const { repository, index } of chosen) {
    const read = async (): Promise<TableLine[]> => [...(await readTables(repository, index, signal))];
    const tables = await recordingDamage(runtime, { repository, index }, "diff", read, signal);
    kept.push({ repository, index, tables });
  }
  return kept;
}

function byRepository(kept: readonly Kept[]): Map<Repository, BackupIndex["id"][]> {
  const ids = new Map<Repository, BackupIndex["id"][]>();
  for (const { repository, index } of kept) ids.set(repository, [...(ids.get(repository) ?? []), index.id]);
  return ids;
}

function resolveTable(kept: readonly Kept[], text: string): { schema: string; name: string } {
  const known = new Map(
    kept.flatMap(({ tables }) =>
      tables.map(({ schema, name }) => [quoteName(schema, name), { schema, name }]),
    ),
  );
  const tables = [...known.values()];
  const exact = tables.find((table) => isWrittenAs(table, text));
  if (exact !== undefined) return exact;
  const [bare, ...others] = tables.filter(({ name }) => name === text);
  if (bare !== undefined && others.length === 0) return bare;
  const names = tables.map(({ schema, name }) => `${schema}.${name}`);
  if (bare !== undefined) {
    const all = [bare, ...others].map(({ schema, name }) => `${schema}.${name}`).join(", ");
    throw new AppError("usage", `find table ${text}: there are several: ${all}`, { hint: HOW_TO_WRITE });
  }
  const guess = nearest(text, names);
  throw new AppError("schema_missing", `find table ${text}: no backup has one of that name`, {
    hint: guess === undefined ? HOW_TO_WRITE : `did you mean ${guess}?`,
  });
}

async function openMatching(
  runtime: Runtime,
  { where, live, lanes }: FindChangeRequest,
  table: { schema: string; name: string },
  held: AsyncDisposableStack,
  signal: AbortSignal,
): Promise<MatchingRows | null> {
  if (where === null) return null;
  if (live === null) {
    throw new AppError("usage", "look for rows by a condition: no database is known to ask", {
      hint: "name the live database with `--url`, or another one that has the table",
    });
  }
  return held.use(await MatchingRows.open(runtime, { table, where, live, lanes }, signal));
}

function compare(before: TableLine | undefined, now: TableLine | undefined): Change {
  if (now === undefined) return { kind: before === undefined ? "same" : "gone" };
  if (before === undefined) return { kind: "made" };
  const by = (now.rows ?? 0) - (before.rows ?? 0);
  if (by !== 0) return { kind: "rows", by };
  const [a, b] = [digestOf(before), digestOf(now)];
  if (a === null || b === null) return { kind: "as many" };
  return { kind: a === b ? "same" : "other" };
}

const digestOf = (line: TableLine): string | null => ("digest" in line ? line.digest : null);

/** Counts the live table; in words why not. */
async function lookAtLive(
  runtime: Runtime,
  { live }: FindChangeRequest,
  { schema, name }: { schema: string; name: string },
  matching: MatchingRows | null,
  before: Moment | undefined,
  signal: AbortSignal,
): Promise<Moment | string> {
  if (live === null) return "nothing says where it is";
  try {
    await using session = await connect(runtime, live, signal);
    const [found] = await session.query<{ there: boolean; now: Date }>(
      `select exists (select from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
                       where n.nspname = $1 and c.relname = $2) as there, pg_catalog.clock_timestamp() as now`,
      [schema, name],
    );
    const at = found?.now ?? runtime.clock.now();
    if (found?.there !== true)
      return { id: null, kind: "live", at, rows: null, change: { kind: "gone" }, matching: null };
    const [count] = await session.query<{ rows: number }>(
      `select count(*)::float8 as rows from only ${quoteName(schema, name)}`,
    );
    const rows = count?.rows ?? 0;
    const by = rows - (before?.rows ?? 0);
    const change: Change =
      before?.rows === null ? { kind: "made" } : by === 0 ? { kind: "as many" } : { kind: "rows", by };
    return { id: null, kind: "live", at, rows, change, matching: (await matching?.live()) ?? null };
  } catch (error) {
    if (!isAppError(error, "database_unreachable")) throw error;
    return error.message;
  }
}

/** Where rows went away for the last time. A table that is not there has none. */
function latestLoss(moments: readonly Moment[], byCondition: boolean): Loss | null {
  const valueOf = (moment: Moment): number => (byCondition ? moment.matching : moment.rows) ?? 0;
  for (let at = moments.length - 2; at >= 0; at--) {
    const [lastSeen, gone] = [moments[at], moments[at + 1]];
    if (lastSeen === undefined || gone === undefined || lastSeen.id === null) continue;
    const [before, after] = [valueOf(lastSeen), valueOf(gone)];
    if (before > after) return { lastSeen: { ...lastSeen, id: lastSeen.id }, gone, before, after };
  }
  return null;
}
