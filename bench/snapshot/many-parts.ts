import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { PartBuilder } from "../../src/engines/snapshot/part-builder.ts";
import type { Session } from "../../src/postgres/session.ts";
import {
  listBackups,
  newBackupId,
  publishSnapshot,
  readContent,
  readTables,
} from "../../src/repository/backups.ts";
import { partKey } from "../../src/repository/layout.ts";
import { acquireLease } from "../../src/repository/lease.ts";
import { isSnapshot } from "../../src/repository/listing.ts";
import type { SnapshotIndex } from "../../src/repository/manifest.ts";
import type { PartLine, PartRange } from "../../src/repository/part-list-lines.ts";
import { type PartListWriter, readPartList, startPartList } from "../../src/repository/part-lists.ts";
import { newPartName } from "../../src/repository/part-names.ts";
import { openRepository, type Repository } from "../../src/repository/repository.ts";
import type { PartRef } from "../../src/repository/stored-parts.ts";
import { openFilesystem } from "../../src/storage/filesystem.ts";
import type { Place } from "./place.ts";

// The most that fits several of these rows into a block, so that a million parts need a gigabyte of heap.
const FILLER = 850;

/** Makes and fills `public.many` with so many rows, which is to have a part for each. */
export async function fillMany(session: Session, rows: number): Promise<void> {
  await session.query("create table public.many (id integer not null, filler text not null)");
  // Out of line and compressed are no use here: rows are to fill blocks.
  await session.query("alter table public.many alter column filler set storage plain");
  await session.query(
    `insert into public.many select g, repeat('many parts ', ${Math.floor(FILLER / 11)}) from generate_series(1, $1::int4) g`,
    [rows],
  );
}

/**
 * Publishes one more snapshot of `database`, as the newest one is but for the part list of `public.many`: each block is a
 * range and each row a part. No table is that large here, and cutting one so finely is nothing the program does; what
 * follows, reusing and restoring it, is the program's own.
 */
export async function publishManyParts(
  place: Place,
  session: Session,
  folder: string,
  database: string,
  signal: AbortSignal,
): Promise<void> {
  const { runtime } = place;
  const repository = await openRepository(runtime, openFilesystem(runtime, folder), signal);
  await using lease = await acquireLease(runtime, repository, database, "bench", signal);
  const { backups } = await listBackups(repository, database, signal);
  const newest = backups.find(isSnapshot);
  if (newest === undefined) throw new Error("there is no snapshot to begin with");
  const tables = await readTables(repository, newest, signal);
  const lines = [];
  for (const table of tables) {
    const partList =
      table.partList === null ? null : await cutFinely(repository, newest, table.partList, session, signal);
    lines.push({ ...table, partList });
  }
  const { checksum: _, tables: __, content: ___, format: ____, ...head } = newest;
  const later = new Date(new Date(newest.snapshotAt).getTime() + 1000);
  await publishSnapshot(
    repository,
    {
      head: {
        ...head,
        id: newBackupId({ ...runtime.clock, now: () => later }),
        snapshotAt: later.toISOString(),
      },
      tables: lines,
      content: await readContent(repository, newest, signal),
    },
    lease,
    signal,
  );
}

async function cutFinely(
  repository: Repository,
  { database }: SnapshotIndex,
  earlier: PartRef,
  session: Session,
  signal: AbortSignal,
): Promise<PartRef> {
  const { header, ranges } = await readPartList(repository, database, earlier, signal);
  const [first] = await Array.fromAsync(ranges);
  const blocks = await session.query<{ rows: number }>(
    "select count(*)::int4 as rows from public.many group by (ctid::text::point)[0] order by (ctid::text::point)[0]",
  );
  await using list = startPartList(repository, database, { ...header, rangeBlocks: 1 }, signal);
  await using builder = new PartBuilder("/tmp");
  const writer = new RangeWriter(list, blocks, first?.identity ?? null);
  builder.begin(async (part) => {
    const name = newPartName(part.textHash);
    const stored = Buffer.concat(await Array.fromAsync(part.compress()));
    // Not made durable one by one: they are as good as any for what is measured.
    const path = join(repository.place, partKey(database, name));
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    writeFileSync(path, stored, { mode: 0o600 });
    const sha256 = createHash("sha256").update(stored).digest("hex");
    const { rows, bytes, digest } = part;
    await writer.add({ name, size: stored.length, sha256, rows, bytes, digest });
  });
  let rest: Buffer = Buffer.alloc(0);
  await session.copyOut(header.copy.replace(/FROM STDIN.*$/, "TO STDOUT"), async (chunk) => {
    const text = Buffer.concat([rest, chunk]);
    let from = 0;
    for (let end = text.indexOf(0x0a); end !== -1; end = text.indexOf(0x0a, from)) {
      await builder.add(text.subarray(from, end + 1));
      await builder.finish();
      from = end + 1;
    }
    rest = text.subarray(from);
    signal.throwIfAborted();
  });
  return await list.finish(null);
}

/** Puts parts into ranges, as many as the block has rows. */
class RangeWriter {
  readonly #list: PartListWriter;
  readonly #blocks: readonly { readonly rows: number }[];
  readonly #identity: PartRange["identity"];
  #block = 0;
  #parts: PartLine[] = [];

  constructor(
    list: PartListWriter,
    blocks: readonly { readonly rows: number }[],
    identity: PartRange["identity"],
  ) {
    this.#list = list;
    this.#blocks = blocks;
    this.#identity = identity;
  }

  async add(part: PartLine): Promise<void> {
    this.#parts.push(part);
    const rows = this.#blocks[this.#block]?.rows;
    if (this.#parts.length !== rows) return;
    const from = this.#block++;
    const to = this.#block === this.#blocks.length ? null : this.#block;
    await this.#list.add({ from, to, rows, parts: this.#parts, identity: this.#identity });
    this.#parts = [];
  }
}
