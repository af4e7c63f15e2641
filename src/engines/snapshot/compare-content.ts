import type { Runtime } from "../../lib/runtime.ts";
import { counted, formatCount } from "../../lib/text.ts";
import { readRelationRoots } from "../../postgres/relation-roots.ts";
import { quoteName, type Session } from "../../postgres/session.ts";
import type { SnapshotTable } from "../../repository/manifest.ts";
import type { PartListHeader } from "../../repository/part-list-lines.ts";
import { addRows } from "./copy-ranges.ts";
import { digestTables } from "./digest-rows.ts";
import { isLargeObjects } from "./large-objects.ts";
import { ZERO_DIGEST } from "./row-digest.ts";
import { listSourceTables, type SourceTable } from "./tables.ts";
import type { RowsRead } from "./worker-messages.ts";

export interface CompareTables {
  readonly tables: readonly SnapshotTable[];
  /** The first line of each part list, by the list's name: which columns the rows have, in which order. */
  readonly headers: ReadonlyMap<string, PartListHeader>;
  readonly threads: number;
}

export interface TablesCompared {
  /** Tables that were read; the rows found in them and in large objects, and their COPY text. */
  readonly tables: number;
  readonly rows: number;
  readonly bytes: number;
  /** Tables whose digest was compared as well. */
  readonly digests: number;
  readonly differences: readonly TableDifference[];
  readonly notCompared: readonly { readonly what: string; readonly reason: string }[];
}

interface TableDifference {
  /** `schema.name`. */
  readonly table: string;
  readonly reason: string;
  /** As many rows, but others. */
  readonly sameCount: boolean;
}

/** One table of the snapshot in the database. */
interface Pair {
  readonly line: SnapshotTable;
  readonly live: SourceTable;
  readonly copy: string;
}

/**
 * Compares the rows of all tables of a snapshot with those of a database that it was restored into: their number and
 * their digest, read as the snapshot's rows were. Nobody else may write to it meanwhile.
 */
export async function compareTables(
  runtime: Runtime,
  session: Session,
  request: CompareTables,
  signal: AbortSignal,
): Promise<TablesCompared> {
  const differences: TableDifference[] = [];
  const pairs = await pairTables(session, request, differences);
  const totalBytes = pairs.reduce((sum, { line }) => sum + line.bytes, 0);
  const found = await digestTables(
    runtime,
    { settings: session.settings, snapshot: null, threads: request.threads },
    pairs.map(({ live }) => live),
    totalBytes,
    signal,
  );
  const roots = await readRelationRoots(session);
  const { unequal, notCompared } = judge(pairs, found, roots);
  differences.push(...unequal);
  const tables = pairs.filter(({ line }) => !isLargeObjects(line)).length;
  const digests = tables - notCompared.length;
  const refilled = request.tables.filter((table) => table.digest === null && table.rows === null).length;
  if (refilled > 0) {
    notCompared.push({
      what: counted(refilled, "materialized view"),
      reason: "a restore fills them anew from other tables",
    });
  }
  const all = found.reduce(addRows, NOTHING);
  return {
    tables,
    rows: all.rows,
    bytes: all.bytes,
    digests,
    differences,
    notCompared,
  };
}

const NOTHING: RowsRead = { rows: 0, bytes: 0, digest: ZERO_DIGEST };

/** Finds each table in the database; one that is missing, or has other columns, is a difference. */
async function pairTables(
  session: Session,
  { tables, headers }: CompareTables,
  differences: TableDifference[],
): Promise<Pair[]> {
  const there = await listSourceTables(session, null);
  const byName = new Map(there.map((table) => [quoteName(table.schema, table.name), table]));
  const pairs: Pair[] = [];
  for (const line of tables) {
    const header = line.partList === null ? undefined : headers.get(line.partList.name);
    if (header === undefined) continue;
    const name = `${line.schema}.${line.name}`;
    const live = byName.get(quoteName(line.schema, line.name));
    if (live === undefined) {
      differences.push({ table: name, reason: "it is missing", sameCount: false });
    } else if (sorted(live.columns) !== sorted(header.columns)) {
      differences.push({ table: name, reason: "it has other columns", sameCount: false });
    } else {
      // In the order of the snapshot: that of inherited columns changes when a table is made anew.
      pairs.push({ line, live: { ...live, columns: header.columns }, copy: header.copy });
    }
  }
  return pairs;
}

function judge(
  pairs: readonly Pair[],
  found: readonly RowsRead[],
  roots: ReadonlyMap<string, string>,
): {
  unequal: TableDifference[];
  notCompared: { what: string; reason: string }[];
} {
  const unequal: TableDifference[] = [];
  const notCompared: { what: string; reason: string }[] = [];
  const groups = new Map<string, { line: SnapshotTable; columns: string; rows: RowsRead }[]>();
  for (const [at, { line, live, copy }] of pairs.entries()) {
    const rows = found[at] ?? NOTHING;
    const own = quoteName(line.schema, line.name);
    if (copy.startsWith(`COPY ${own} `)) {
      unequal.push(...differenceOf(`${line.schema}.${line.name}`, line, rows));
      continue;
    }
    // Its rows were loaded through its root, and may lie in other partitions now. (Or they are large objects.)
    const root = roots.get(own) ?? own;
    const group = groups.get(root) ?? [];
    group.push({ line, columns: JSON.stringify(live.columns), rows });
    groups.set(root, group);
  }
  for (const [root, group] of groups) {
    const sameColumns = new Set(group.map(({ columns }) => columns)).size === 1;
    const wanted = group.map(({ line }) => rowsOf(line)).reduce(addRows, NOTHING);
    const have = group.map(({ rows }) => rows).reduce(addRows, NOTHING);
    const names = group.map(({ line }) => `${line.schema}.${line.name}`);
    const table = names.length === 1 ? (names[0] ?? root) : `the partitions of ${root}`;
    unequal.push(...differenceOf(table, wanted, sameColumns ? have : { ...have, digest: wanted.digest }));
    if (!sameColumns) {
      for (const { line } of group) {
        notCompared.push({
          what: `digest of ${line.schema}.${line.name}`,
          reason: "its rows may lie in other partitions, whose columns have another order",
        });
      }
    }
  }
  return { unequal, notCompared };
}

function differenceOf(
  table: string,
  wanted: { readonly rows: number | null; readonly digest: string | null },
  found: RowsRead,
): TableDifference[] {
  if (found.rows !== wanted.rows) {
    const reason = `${formatCount(found.rows)} rows instead of ${formatCount(wanted.rows ?? 0)}`;
    return [{ table, reason, sameCount: false }];
  }
  if (found.digest === wanted.digest) return [];
  const reason = `${counted(found.rows, "row")}, as many as in the backup, but not the same: digest ${found.digest} instead of ${wanted.digest}`;
  return [{ table, reason, sameCount: true }];
}

function rowsOf({ rows, bytes, digest }: SnapshotTable): RowsRead {
  return { rows: rows ?? 0, bytes, digest: digest ?? ZERO_DIGEST };
}

function sorted(columns: readonly string[]): string {
  return JSON.stringify(columns.toSorted());
}
