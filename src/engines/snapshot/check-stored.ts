import { createHash } from "node:crypto";
import { isAppError, messageOf } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { ByteTable } from "../../repository/byte-table.ts";
import type { SnapshotTable } from "../../repository/manifest.ts";
import type { PartLine, PartListHeader } from "../../repository/part-list-lines.ts";
import { readPartList } from "../../repository/part-lists.ts";
import type { Repository } from "../../repository/repository.ts";
import { type Check, runChecks } from "./check-pool.ts";
import { batchesOf } from "./part-batches.ts";
import { addDigests, ZERO_DIGEST } from "./row-digest.ts";
import { threadsFor } from "./threads.ts";

interface StoredDamage {
  readonly object: "part list" | "part";
  /** `schema.name`. */
  readonly table: string;
  readonly part: string;
  readonly reason: string;
}

export interface StoredCheck {
  /** Part lists and the parts they name, each once, and their size as stored. */
  readonly objects: number;
  readonly storedBytes: number;
  /** In the order of the tables and their parts. */
  readonly damage: readonly StoredDamage[];
  /** The first line of each table's part list, by the list's name. */
  readonly headers: ReadonlyMap<string, PartListHeader>;
}

export interface StoredTables {
  readonly repository: Repository;
  readonly database: string;
  readonly tables: readonly SnapshotTable[];
}

const LINE_HASH_BYTES = 32;

/**
 * Reads the part lists of tables and, unless `threads` is 0, every part they name: size, SHA-256, frames, text, rows and
 * digest. All damage is found, not only the first. A part that several ranges share is read once, but what each says of it
 * must be true.
 */
export async function checkStored(
  runtime: Runtime,
  stored: StoredTables,
  threads: number,
  signal: AbortSignal,
): Promise<StoredCheck> {
  const { repository, database, tables } = stored;
  const totalBytes = tables.reduce((sum, table) => sum + table.bytes, 0);
  const headers = new Map<string, PartListHeader>();
  const damage: { readonly at: number; readonly found: StoredDamage }[] = [];
  let [objects, storedBytes, bytes, place] = [0, 0, 0, 0];
  // Of every line about a part, packed, for a million strings would take several times as much.
  const seen = new ByteTable(LINE_HASH_BYTES, 0);

  function checkOf(parts: readonly PartLine[], table: string): Check {
    const first = place;
    place += parts.length;
    return {
      task: { kind: "parts", parts },
      done: (outcome) => {
        for (const { bytes: some } of parts) bytes += some;
        for (const { at, reason } of outcome.kind === "parts" ? outcome.damage : []) {
          damage.push({
            at: first + at,
            found: { object: "part", table, part: parts[at]?.name ?? "", reason },
          });
        }
        runtime.reporter.progress({ phase: "check parts", bytes, totalBytes, table });
      },
    };
  }

  /** The parts of a table that were not seen yet. */
  async function* unseen(table: SnapshotTable, list: ListFacts): AsyncGenerator<PartLine> {
    for await (const part of partsOf(stored, table, list, signal)) {
      if (!seen.add(hashOfLine(part)).added) continue;
      objects += 1;
      storedBytes += part.size;
      yield part;
    }
  }

  async function* checks(): AsyncGenerator<Check> {
    for (const table of tables) {
      const { partList } = table;
      if (partList === null) continue;
      const at = place++;
      const name = `${table.schema}.${table.name}`;
      const list: ListFacts = { header: undefined, differences: [] };
      try {
        for await (const parts of batchesOf(unseen(table, list))) {
          if (threads > 0) yield checkOf(parts, name);
        }
        objects += 1;
        storedBytes += partList.size;
      } catch (error) {
        signal.throwIfAborted();
        if (!isDamage(error)) throw error;
        list.differences.push(messageOf(error));
      }
      if (list.header !== undefined) headers.set(partList.name, list.header);
      for (const reason of list.differences) {
        damage.push({ at, found: { object: "part list", table: name, part: partList.name, reason } });
      }
    }
  }

  if (threads === 0) {
    for await (const _ of checks()) continue;
  } else {
    const store = { location: repository.storage.location, database };
    await runChecks(
      checks(),
      threadsFor(totalBytes, threads),
      { env: runtime.env, store, server: null },
      signal,
    );
  }
  // The threads tell what they find in no certain order.
  damage.sort((a, b) => a.at - b.at);
  return { objects, storedBytes, headers, damage: damage.map(({ found }) => found) };
}

/** What was learnt of a part list. */
interface ListFacts {
  header: PartListHeader | undefined;
  /** What it says otherwise than the table's line, or than itself. */
  readonly differences: string[];
}

/** The parts of a table, as its list names them. */
async function* partsOf(
  { repository, database }: StoredTables,
  table: SnapshotTable,
  list: ListFacts,
  signal: AbortSignal,
): AsyncGenerator<PartLine> {
  if (table.partList === null) return;
  const { header, ranges } = await readPartList(repository, database, table.partList, signal);
  list.header = header;
  if (header.schema !== table.schema || header.name !== table.name) {
    list.differences.push(`it is that of ${header.schema}.${header.name}`);
  }
  const sum = { rows: 0, bytes: 0, digest: ZERO_DIGEST };
  for await (const { from, rows, parts } of ranges) {
    const before = sum.rows;
    for (const part of parts) {
      sum.rows += part.rows;
      sum.bytes += part.bytes;
      sum.digest = addDigests(sum.digest, part.digest);
      yield part;
    }
    if (sum.rows - before === rows) continue;
    list.differences.push(
      `the parts of its range from block ${from} have ${sum.rows - before} rows instead of ${rows}`,
    );
  }
  if (sum.rows !== table.rows)
    list.differences.push(`its parts have ${sum.rows} rows, the table ${table.rows}`);
  if (sum.bytes !== table.bytes) {
    list.differences.push(`its parts have ${sum.bytes} bytes of text, the table ${table.bytes}`);
  }
  if (sum.digest !== table.digest) {
    list.differences.push("the digests of its parts do not add up to that of the table");
  }
}

function hashOfLine({ name, size, sha256, rows, bytes, digest }: PartLine): Buffer {
  return createHash("sha256").update(`${name} ${size} ${sha256} ${rows} ${bytes} ${digest}`).digest();
}

/** Errors that concern one object; a disk that cannot give it back has lost it, whatever it says. */
function isDamage(error: unknown): boolean {
  return (
    isAppError(error, "backup_damaged") ||
    isAppError(error, "repository_version") ||
    isAppError(error, "repository_unusable")
  );
}
