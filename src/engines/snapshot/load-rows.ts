import { AppError, inOperation, isAppError } from "../../errors.ts";
import { readFrames } from "../../lib/zstd-frames.ts";
import { quoteName, type Session } from "../../postgres/session.ts";
import type { SnapshotTable } from "../../repository/manifest.ts";
import type { PartLine } from "../../repository/part-list-lines.ts";
import { type PartList, readPartList } from "../../repository/part-lists.ts";
import { readPart } from "../../repository/parts.ts";
import type { Repository } from "../../repository/repository.ts";
import { addDigests, RowDigest, ZERO_DIGEST } from "./row-digest.ts";

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
 * The rows of one table, for one or several connections to load: each takes the next part that nobody has. Every part is
 * checked against its size and SHA-256 as stored, and its rows against its list, while they flow; and before anything is
 * committed, that all parts together are the table. A difference is `backup_damaged`, naming table and part.
 */
export class TableRows {
  readonly #repository: Repository;
  readonly #database: string;
  readonly #table: SnapshotTable;
  readonly #what: string;
  readonly #signal: AbortSignal;
  #list: Promise<PartList> | undefined;
  #parts: AsyncGenerator<PartLine> | undefined;
  #streams = 0;
  #loaded = { rows: 0, digest: ZERO_DIGEST };
  readonly #whole = Promise.withResolvers<void>();

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
  async load(session: Session, options: StreamOptions): Promise<void> {
    try {
      const { header } = await this.#open();
      const parts = this.#parts;
      if (parts === undefined) return;
      const first = await parts.next();
      // Others have them all.
      if (first.done === true) return;
      this.#streams += 1;
      await this.#transaction(session, header.copy, options, this.#text(first.value, parts, options.told));
    } catch (error) {
      const named = isAppError(error, "backup_damaged") ? inOperation(`load ${this.#what}`, error) : error;
      this.#whole.reject(named);
      throw named;
    }
  }

  async #transaction(
    session: Session,
    copy: string,
    { mode }: StreamOptions,
    text: AsyncGenerator<Buffer>,
  ): Promise<void> {
    const own = mode === "alone" || mode === "shared";
    // Never where the rows find their partitions by themselves: these may hold rows of others already.
    const frozen = (mode === "alone" || mode === "made") && copy.startsWith(`COPY ${this.#what} `);
    if (own) await session.query("begin");
    if (frozen && own) await session.query(`truncate table only ${this.#what}`);
    await session.copyIn(frozen ? `${copy.slice(0, -1)}, FREEZE)` : copy, inMessages(text));
    this.#ended();
    await this.#whole.promise;
    if (own) await session.query("commit");
  }

  /** One stream has sent all it took; the last one looks whether that was all of the table. */
  #ended(): void {
    this.#streams -= 1;
    if (this.#streams > 0) return;
    const { rows, digest } = this.#loaded;
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
    this.#parts ??= partsOf(list);
    return list;
  }

  async *#text(
    first: PartLine,
    others: AsyncGenerator<PartLine>,
    told: (bytes: number) => void,
  ): AsyncGenerator<Buffer> {
    // One for all parts: making it takes a moment.
    const digest = new RowDigest();
    let part: PartLine | undefined = first;
    while (part !== undefined) {
      yield* readRows(this.#repository, this.#database, part, digest, this.#signal, told);
      this.#loaded.rows += part.rows;
      this.#loaded.digest = addDigests(this.#loaded.digest, part.digest);
      const next: IteratorResult<PartLine> = await others.next();
      part = next.done === true ? undefined : next.value;
    }
  }
}

// The server copies each message whole before it looks at it: beyond what the processor's cache holds that took a tenth
// more of its time for all of a COPY, while smaller ones brought nothing.
const MESSAGE_BYTES = 64 * 1024;

async function* inMessages(text: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  for await (const piece of text) {
    for (let at = 0; at < piece.length; at += MESSAGE_BYTES) yield piece.subarray(at, at + MESSAGE_BYTES);
  }
}

export async function* partsOf({ ranges }: PartList): AsyncGenerator<PartLine> {
  for await (const { parts } of ranges) yield* parts;
}

/** The COPY text of one part. Its last piece is given only after everything about the part was found right. */
export async function* readRows(
  repository: Repository,
  database: string,
  part: PartLine,
  digest: RowDigest,
  signal: AbortSignal,
  told: (bytes: number) => void,
): AsyncGenerator<Buffer> {
  let bytes = 0;
  let held: Buffer | undefined;
  const pieces = readFrames(await readPart(repository, database, part, signal));
  for await (const piece of naming(part, pieces)) {
    if (held !== undefined) yield held;
    digest.update(piece);
    bytes += piece.length;
    told(piece.length);
    held = piece;
  }
  const found = digest.finish();
  if (bytes !== part.bytes || found.rows !== part.rows || found.digest !== part.digest) {
    throw new AppError("backup_damaged", `part ${part.name} does not hold the rows it should`, {
      details: { part: part.name, rows: found.rows, expected: part.rows },
    });
  }
  if (held !== undefined) yield held;
}

/** What cannot be decompressed does not know which part it is of. */
async function* naming(part: PartLine, pieces: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  try {
    yield* pieces;
  } catch (error) {
    // What was read from the storage is named by its key.
    if (!isAppError(error, "backup_damaged") || "key" in error.details) throw error;
    throw inOperation(`part ${part.name}`, error);
  }
}
