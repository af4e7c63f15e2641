import { AppError, inOperation, isAppError } from "../../errors.ts";
import { quoteName } from "../../postgres/quoting.ts";
import type { SnapshotTable } from "../../repository/manifest.ts";
import type { PartLine } from "../../repository/part-list-lines.ts";
import { type PartList, readPartList } from "../../repository/part-lists.ts";
import type { Repository } from "../../repository/repository.ts";
import type { LaneConnection } from "./load-lane.ts";
import { batchesOf } from "./part-batches.ts";
import { addDigests, ZERO_DIGEST } from "./row-digest.ts";

/** How one connection loads rows. */
export interface StreamOptions {
  /**
   * `alone`: nobody else loads this table, which the restore has made: it is emptied first, and its rows are written as
   * they will stay (frozen), so that nothing has to be written again when they are first read. `made`: the same in a
   * transaction that made the table. `shared`: others may load it too. `open`: a transaction is open.
   */
  readonly mode: "alone" | "shared" | "made" | "open";
  /** So many bytes of COPY text more are on their way. */
  readonly told: (bytes: number) => void;
}

/**
 * The rows of one table, for one or several connections to load: each takes the next parts that nobody has. Every part is
 * checked while it flows, and before anything is committed, that all parts together are the table. A difference is
 * `backup_damaged`, naming table and part.
 */
export class TableRows {
  readonly #repository: Repository;
  readonly #database: string;
  readonly #table: SnapshotTable;
  readonly #what: string;
  readonly #signal: AbortSignal;
  #list: Promise<PartList> | undefined;
  #batches: AsyncGenerator<readonly PartLine[]> | undefined;
  #streams = 0;
  /** Of the parts that were given out. */
  #taken = { rows: 0, digest: ZERO_DIGEST };
  readonly #whole = Promise.withResolvers<void>();
  #failure: unknown;

  constructor(repository: Repository, database: string, table: SnapshotTable, signal: AbortSignal) {
    this.#repository = repository;
    this.#database = database;
    this.#table = table;
    this.#what = quoteName(table.schema, table.name);
    this.#signal = signal;
    // Whoever waits for it is told; nobody may be waiting.
    this.#whole.promise.catch(() => undefined);
  }

  /** Loads parts until there are none left, and returns when the table is whole. */
  async load(lane: LaneConnection, options: StreamOptions): Promise<void> {
    try {
      const { header } = await this.#open();
      const first = await this.#next();
      // Others have them all.
      if (first.length === 0) return;
      this.#streams += 1;
      await this.#transaction(lane, header.copy, options, first);
    } catch (error) {
      const named = this.#named(error);
      this.#whole.reject(named);
      throw named;
    }
  }

  /** With the table's name, unless it has one: of the stream beside this one, or of the table that stopped them all. */
  #named(error: unknown): unknown {
    if (error === this.#failure || error === this.#signal.reason) return error;
    this.#failure = isAppError(error, "backup_damaged") ? inOperation(`load ${this.#what}`, error) : error;
    return this.#failure;
  }

  async #transaction(
    lane: LaneConnection,
    copy: string,
    { mode, told }: StreamOptions,
    first: readonly PartLine[],
  ): Promise<void> {
    const own = mode === "alone" || mode === "shared";
    // Never where the rows find their partitions by themselves: these may hold rows of others already.
    const frozen = (mode === "alone" || mode === "made") && copy.startsWith(`COPY ${this.#what} `);
    if (own) await lane.run(["begin"]);
    await lane.run([AS_COPIED]);
    if (frozen && own) await lane.run([`truncate table only ${this.#what}`]);
    let waiting: readonly PartLine[] | undefined = first;
    const next = async (): Promise<readonly PartLine[]> => {
      const parts = waiting ?? (await this.#next());
      waiting = undefined;
      return parts;
    };
    await lane.copyIn(frozen ? `${copy.slice(0, -1)}, FREEZE)` : copy, { next, told });
    this.#ended();
    await this.#whole.promise;
    await lane.run([own ? "commit" : AS_DEFINED]);
  }

  /** One stream has sent all it took; the last one looks whether that was all of the table. */
  #ended(): void {
    this.#streams -= 1;
    if (this.#streams > 0) return;
    const { rows, digest } = this.#taken;
    if (rows === this.#table.rows && digest === this.#table.digest) {
      this.#whole.resolve();
      return;
    }
    throw new AppError("backup_damaged", "its parts are not all that it had", {
      details: { rows, expected: this.#table.rows },
    });
  }

  async #open(): Promise<PartList> {
    const { partList } = this.#table;
    if (partList === null) throw new AppError("unexpected", `load ${this.#what}: it has no rows of its own`);
    this.#list ??= readPartList(this.#repository, this.#database, partList, this.#signal);
    const list = await this.#list;
    this.#batches ??= batchesOf(partsOf(list));
    return list;
  }

  /** The next parts that nobody has; none: all are given out. */
  async #next(): Promise<readonly PartLine[]> {
    const next = await this.#batches?.next();
    if (next === undefined || next.done === true) return [];
    for (const { rows, digest } of next.value) {
      this.#taken.rows += rows;
      this.#taken.digest = addDigests(this.#taken.digest, digest);
    }
    return next.value;
  }
}

// Amounts of money were copied as the locale C writes them; literals in definitions are in the database's own words.
const AS_COPIED = "set local lc_monetary = 'C'";
const AS_DEFINED = "set local lc_monetary to default";

/** The parts that a list names, in its order. */
export async function* partsOf({ ranges }: PartList): AsyncGenerator<PartLine> {
  for await (const { parts } of ranges) yield* parts;
}
