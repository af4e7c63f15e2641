import { quoteName } from "../../postgres/quoting.ts";
import type { SnapshotTable } from "../../repository/manifest.ts";
import type { LoadProgress } from "./load-progress.ts";
import type { PartitionTrees } from "./load-trees.ts";
import { type StreamOptions, TableRows } from "./load-rows.ts";
import type { ScriptEntry } from "./load-script.ts";
import type { LoadTask } from "./load-tasks.ts";

// How long things take compared with loading so many bytes of rows, as measured with one table of many short rows, one of
// few long ones and one between them. Statistics look at a sample that does not grow with the table.
const INDEX_BYTES_PER_ROW = 20;
// Rows are more often than not in the order of their key.
const KEY_BYTES_PER_ROW = 12;
const FOREIGN_KEY_BYTES_PER_ROW = 15;
const READ_SHARE = 0.03;
const ANALYZE_SHARE = 0.25;
const LARGEST_SAMPLE = 64 * 1024 * 1024;
// A table is loaded over several connections when it is more than this part of what one of them has to do in all.
const LARGE_SHARE = 1.5;

export interface PlanRequest {
  /** The tables whose rows are to be loaded. */
  readonly tables: readonly SnapshotTable[];
  /** Indexes, constraints and the like: `RestoreOrder.parallel`. */
  readonly entries: readonly ScriptEntry[];
  /** By the number of an entry, the quoted name of the table or view that it made. */
  readonly made: ReadonlyMap<number, string>;
  readonly trees: PartitionTrees;
  readonly lanes: number;
  /** Everything happens in the one transaction that has made the tables. */
  readonly atomic: boolean;
  /** Whether tables get statistics. */
  readonly statistics: boolean;
  readonly rowsOf: (table: SnapshotTable) => TableRows;
  readonly progress: LoadProgress;
}

/**
 * What is to be done once the tables are there, and in which order: rows; a table's indexes when its rows are in; foreign
 * keys when both their tables are ready; statistics at the end of each.
 */
export function planLoad(request: PlanRequest): LoadTask[] {
  const rows = new RowTasks(request);
  const entries = planEntries(request, rows);
  return [...rows.all, ...entries, ...(request.statistics ? planStatistics(request, rows, entries) : [])];
}

/** Of what is loaded into a table. */
interface Size {
  readonly rows: number;
  readonly bytes: number;
}

const EMPTY: Size = { rows: 0, bytes: 0 };

/** The tasks that load rows, by table and by partition tree. */
class RowTasks {
  readonly all: LoadTask[] = [];
  readonly #byTable = new Map<string, LoadTask[]>();
  readonly #byRoot = new Map<string, LoadTask[]>();
  readonly #sizes = new Map<string, Size>();
  readonly #treeSizes = new Map<string, Size>();
  readonly #trees: PartitionTrees;

  constructor(request: PlanRequest) {
    this.#trees = request.trees;
    const total = request.tables.reduce((sum, { bytes }) => sum + bytes, 0);
    const made = new Set(request.made.values());
    for (const table of request.tables) {
      if (table.partList === null || table.rows === 0) continue;
      const name = quoteName(table.schema, table.name);
      const root = this.rootOf(name);
      const streams = request.atomic ? 1 : streamsFor(table.bytes, total, request.lanes);
      const isMade = made.has(name) && !request.trees.viaRoot.has(name);
      const tasks = rowTasks(request, table, { name, root, streams, isMade });
      this.all.push(...tasks);
      this.#byTable.set(name, tasks);
      this.#byRoot.set(root, [...this.tree(root), ...tasks]);
      const size = { rows: table.rows ?? 0, bytes: table.bytes };
      const tree = this.treeSize(root);
      this.#sizes.set(name, size);
      this.#treeSizes.set(root, { rows: tree.rows + size.rows, bytes: tree.bytes + size.bytes });
    }
  }

  rootOf(name: string): string {
    return this.#trees.roots.get(name) ?? name;
  }

  sizeOf(name: string): Size {
    return this.#sizes.get(name) ?? EMPTY;
  }

  treeSize(root: string): Size {
    return this.#treeSizes.get(root) ?? EMPTY;
  }

  /** What must be loaded before anything is built on a table: where rows find their partition by themselves, the whole tree. */
  into(name: string): readonly LoadTask[] {
    return this.#trees.viaRoot.has(name) ? this.tree(this.rootOf(name)) : (this.#byTable.get(name) ?? []);
  }

  tree(root: string): readonly LoadTask[] {
    return this.#byRoot.get(root) ?? [];
  }
}

/** As many connections as it takes for the table to be loaded with all the others, not after them. */
function streamsFor(bytes: number, totalBytes: number, lanes: number): number {
  const share = (bytes / totalBytes) * lanes;
  return share < LARGE_SHARE ? 1 : Math.min(lanes, Math.ceil(share));
}

function rowTasks(
  { atomic, rowsOf, progress }: PlanRequest,
  table: SnapshotTable,
  place: { name: string; root: string; streams: number; isMade: boolean },
): LoadTask[] {
  const rows = rowsOf(table);
  const mode = modeOf(place, atomic);
  const label = `${table.schema}.${table.name}`;
  let open = place.streams;
  const options: StreamOptions = { mode, told: (bytes) => progress.loaded(label, bytes) };
  return Array.from({ length: place.streams }, () => ({
    cost: table.bytes / place.streams,
    needs: [],
    alone: [],
    shared: [place.name, place.root],
    run: async (lane) => {
      await rows.load(lane, options);
      open -= 1;
      if (open === 0) progress.tableDone();
    },
  }));
}

function modeOf(
  { streams, isMade }: { streams: number; isMade: boolean },
  atomic: boolean,
): StreamOptions["mode"] {
  if (atomic) return isMade ? "made" : "open";
  return isMade && streams === 1 ? "alone" : "shared";
}

/** Indexes, constraints, foreign keys: each needs the rows of its tables and the entries that it names. */
function planEntries(request: PlanRequest, rows: RowTasks): LoadTask[] {
  const tasks = new Map<number, LoadTask>();
  for (const entry of request.entries) {
    const tables = [...new Set(entry.needs.flatMap((id) => request.made.get(id) ?? []))];
    const roots = [...new Set(tables.map((table) => rows.rootOf(table)))];
    const wide = entry.type === "FK CONSTRAINT" || entry.type === "INDEX ATTACH";
    const loads = wide
      ? roots.flatMap((root) => rows.tree(root))
      : tables.flatMap((table) => rows.into(table));
    const cost = costOf(entry, tables, rows);
    tasks.set(entry.id, {
      cost,
      needs: [...new Set([...loads, ...entry.needs.flatMap((id) => tasks.get(id) ?? [])])],
      ...locksOf(entry, tables, roots, wide),
      run: async (lane, helpers) => {
        await lane.restore(entry, helpers);
        request.progress.built(entry, cost);
      },
    });
  }
  return [...tasks.values()];
}

function costOf({ type }: ScriptEntry, tables: readonly string[], rows: RowTasks): number {
  switch (type) {
    case "FK CONSTRAINT":
      return costliest(tables, (table) => rows.treeSize(table), FOREIGN_KEY_BYTES_PER_ROW);
    case "INDEX":
      return costliest(tables, (table) => rows.sizeOf(table), INDEX_BYTES_PER_ROW);
    case "CONSTRAINT":
      return costliest(tables, (table) => rows.sizeOf(table), KEY_BYTES_PER_ROW);
    default:
      return 0;
  }
}

function costliest(tables: readonly string[], sizeOf: (table: string) => Size, bytesPerRow: number): number {
  return Math.max(0, ...tables.map(sizeOf).map(({ rows, bytes }) => rows * bytesPerRow + bytes * READ_SHARE));
}

/**
 * The locks that the server takes for an entry, as far as they could make two connections wait for each other. Making an
 * index lets others do the same on that table; everything else wants the table, or its whole tree, for itself.
 */
function locksOf(
  { type }: ScriptEntry,
  tables: readonly string[],
  roots: readonly string[],
  wide: boolean,
): Pick<LoadTask, "alone" | "shared"> {
  if (wide) return { alone: roots, shared: [] };
  if (type === "INDEX") return { alone: [], shared: [...new Set([...tables, ...roots])] };
  return { alone: tables, shared: roots.filter((root) => !tables.includes(root)) };
}

/** Statistics of each table, or of a whole tree at once unless a part of it is elsewhere. */
function planStatistics(request: PlanRequest, rows: RowTasks, entries: readonly LoadTask[]): LoadTask[] {
  const names = request.tables.flatMap((table) =>
    table.partList === null ? [] : quoteName(table.schema, table.name),
  );
  const { foreign } = request.trees;
  return [...new Set(names.map((name) => rows.rootOf(name)))].map((root) => {
    const analyzed = foreign.has(root) ? names.filter((name) => rows.rootOf(name) === root) : [root];
    const about = entries.filter(({ alone, shared }) => alone.includes(root) || shared.includes(root));
    const cost = Math.min(rows.treeSize(root).bytes, LARGEST_SAMPLE) * ANALYZE_SHARE;
    return {
      cost,
      needs: [...rows.tree(root), ...about],
      alone: [root],
      shared: [],
      run: async (lane) => {
        const names = analyzed.filter((name) => !foreign.has(name));
        await lane.run(names.map((name) => `analyze ${name}`));
        request.progress.analyzed(cost);
      },
    };
  });
}
