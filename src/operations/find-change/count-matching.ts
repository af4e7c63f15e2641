import { textOf } from "../../engines/snapshot/load-text.ts";
import { batchesOf } from "../../engines/snapshot/part-batches.ts";
import { AppError, isAppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import type { ConnectionSettings } from "../../postgres/connection.ts";
import { connect, quoteIdentifier, quoteName, type Session } from "../../postgres/session.ts";
import type { BackupIndex, TableLine } from "../../repository/manifest.ts";
import type { PartLine, PartListHeader } from "../../repository/part-list-lines.ts";
import { readPartList } from "../../repository/part-lists.ts";
import { textHashOf } from "../../repository/part-names.ts";
import type { Repository } from "../../repository/repository.ts";
import { withScratch } from "../restore/scratch.ts";
import { backupSource } from "../restore/source.ts";

interface Named {
  readonly schema: string;
  readonly name: string;
}

/** A table in a backup. */
export interface StoredTable {
  readonly repository: Repository;
  readonly index: BackupIndex;
  readonly line: TableLine;
}

// The condition is the user's, in a transaction that can write nothing but temporary tables.
const READ_ONLY = "begin transaction read only";

/**
 * Counts the rows for which an SQL condition holds, in one table of many backups. A part is looked at once however many
 * snapshots share it: it is copied into a temporary table of the live database, which knows all types and functions.
 * Where the live table has not the backup's columns any more, and of an archive, the table is restored into a scratch
 * database beside the live one and asked there.
 */
export class MatchingRows implements AsyncDisposable {
  read = 0;
  readonly #named = new Set<string>();
  readonly #runtime: Runtime;
  readonly #session: Session;
  readonly #table: Named;
  readonly #where: string;
  readonly #lanes: number;
  readonly #signal: AbortSignal;
  readonly #lists = new Map<string, number>();
  readonly #parts = new Map<string, number>();
  /** The columns of the temporary table. */
  #columns = "";

  private constructor(runtime: Runtime, session: Session, call: MatchingCall, signal: AbortSignal) {
    this.#runtime = runtime;
    this.#session = session;
    this.#table = call.table;
    this.#where = call.where;
    this.#lanes = call.lanes;
    this.#signal = signal;
  }

  static async open(runtime: Runtime, call: MatchingCall, signal: AbortSignal): Promise<MatchingRows> {
    const session = await connect(runtime, call.live, signal);
    // Temporary tables are made outside of a read-only transaction.
    await session.query("select pg_catalog.set_config('default_transaction_read_only', 'off', false)");
    return new MatchingRows(runtime, session, call, signal);
  }

  get named(): number {
    return this.#named.size;
  }

  /** In the live table. */
  async live(): Promise<number> {
    await this.#session.query(READ_ONLY);
    const { schema, name } = this.#table;
    const rows = await this.#count(this.#session, quoteName(schema, name));
    await this.#session.query("commit");
    return rows;
  }

  async stored({ repository, index, line }: StoredTable): Promise<number> {
    if (!("partList" in line) || line.partList === null) return await this.#inScratch(repository, index);
    const { partList } = line;
    const known = this.#lists.get(partList.name);
    if (known !== undefined) return known;
    const list = await readPartList(repository, index.database, partList, this.#signal);
    if (!(await this.#prepare(list.header))) {
      await list.ranges.return(undefined);
      return await this.#inScratch(repository, index);
    }
    let rows = 0;
    for await (const { parts } of list.ranges)
      for (const part of parts) rows += await this.#countPart(repository, index.database, list.header, part);
    this.#lists.set(partList.name, rows);
    return rows;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session[Symbol.asyncDispose]();
  }

  async #countPart(
    repository: Repository,
    database: string,
    header: PartListHeader,
    part: PartLine,
  ): Promise<number> {
    const text = `${this.#columns} ${textHashOf(part.name)}`;
    this.#named.add(text);
    const known = this.#parts.get(text);
    if (known !== undefined) return known;
    const batches = batchesOf(only(part));
    const next = async (): Promise<readonly PartLine[]> => {
      const batch = await batches.next();
      return batch.done === true ? [] : batch.value;
    };
    const place = { storage: repository.storage, database };
    const session = this.#session;
    await session.query(READ_ONLY);
    const encoding = /\(ENCODING '[A-Za-z0-9_]+'\)$/.exec(header.copy)?.[0] ?? "";
    await session.query("set local lc_monetary = 'C'");
    await session.copyIn(
      `COPY pg_temp.handled_rows (${this.#columns}) FROM STDIN ${encoding}`,
      textOf(place, { next, told: () => undefined }, this.#signal),
    );
    const rows = await this.#count(session, "pg_temp.handled_rows");
    await session.query("commit");
    this.read += 1;
    this.#runtime.reporter.progress({
      phase: "read what changed",
      bytes: part.bytes,
      table: `${this.#table.schema}.${this.#table.name}`,
    });
    this.#parts.set(text, rows);
    return rows;
  }

  /** Makes the temporary table for a part list's columns; false where the live table lacks one of them. */
  async #prepare({ columns }: PartListHeader): Promise<boolean> {
    const list = columns.map(quoteIdentifier).join(", ");
    if (list === this.#columns) return true;
    const { schema, name } = this.#table;
    const found = await this.#session.query<{ name: string }>(
      `select a.attname::text as name from pg_catalog.pg_attribute a join pg_catalog.pg_class c on c.oid = a.attrelid
         join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        where n.nspname = $1 and c.relname = $2 and a.attnum > 0 and not a.attisdropped`,
      [schema, name],
    );
    const live = new Set(found.map((column) => column.name));
    if (columns.length === 0 || !columns.every((column) => live.has(column))) return false;
    await this.#session.query("drop table if exists pg_temp.handled_rows");
    await this.#session.query(
      `create temporary table handled_rows on commit delete rows as select ${list} from only ${quoteName(schema, name)} with no data`,
    );
    this.#columns = list;
    return true;
  }

  async #inScratch(repository: Repository, index: BackupIndex): Promise<number> {
    const source = await backupSource(repository, index, this.#signal);
    const { schema, name } = this.#table;
    const quoted = quoteName(schema, name);
    const live = this.#session.settings;
    const scratch = { source, database: index.database, tables: [quoted], live, lanes: this.#lanes };
    const work = async (session: Session): Promise<number> => {
      await session.query(READ_ONLY);
      return await this.#count(session, quoted);
    };
    return await withScratch(this.#runtime, scratch, work, this.#signal);
  }

  async #count(session: Session, from: string): Promise<number> {
    try {
      const [row] = await session.query<{ rows: number }>(
        `select count(*)::float8 as rows from only ${from} as ${quoteIdentifier(this.#table.name)} where (${this.#where}\n)`,
      );
      return row?.rows ?? 0;
    } catch (error) {
      const state = isAppError(error, "query_failed") ? String(error.details["sqlState"]) : "";
      if (!isAppError(error) || !state.startsWith("42")) throw error;
      throw new AppError("usage", `count the rows where ${this.#where}: ${error.message}`, {
        cause: error,
        hint: "write an SQL condition on the table's columns; other names with their schema",
      });
    }
  }
}

interface MatchingCall {
  readonly table: Named;
  readonly where: string;
  readonly live: ConnectionSettings;
  readonly lanes: number;
}

async function* only(part: PartLine): AsyncGenerator<PartLine> {
  yield await Promise.resolve(part);
}
