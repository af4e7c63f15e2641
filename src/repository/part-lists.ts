import { createHash, type Hash } from "node:crypto";
import { pipeline } from "node:stream/promises";
import { AppError } from "../errors.ts";
import { compressFrames, readFrames } from "../lib/zstd-frames.ts";
import type { StagedObject, Storage } from "../storage/storage.ts";
import { partListKey, partListsFolder } from "./layout.ts";
import { PartListHeader, PartRange } from "./part-list-lines.ts";
import { textHashOf, nameHashOf, newPartName } from "./part-names.ts";
import { parseJson, parseStored, parseVersioned, requireSound } from "./parse.ts";
import type { Repository } from "./repository.ts";
import { openChecked, type PartRef } from "./stored-parts.ts";

const LEVEL = 3;
const NEWLINE = 0x0a;
// Text in a frame; larger ones are no smaller when compressed. Whoever reads or writes the list of a million parts has all
// of it as text by and by: as little as this is garbage again before the collector would keep it for long.
const FRAME_TEXT = 32 * 1024;
// Of compressed text: the list of some 40,000 parts. A longer one waits in a temporary object, for its key depends on
// its last byte.
const HELD_BYTES = 4 * 1024 * 1024;

/** A part list that is being written. Disposing one that was not finished leaves nothing. */
export interface PartListWriter extends AsyncDisposable {
  /** Adds the next range, in the order of the blocks. */
  add(range: PartRange): Promise<void>;
  /**
   * Makes the list durable and returns what the table's line has to say of it.
   * @param previous the list that this one follows: when its text is the same it stands for both
   */
  finish(previous?: PartRef | null): Promise<PartRef>;
}

/** Begins the part list of one table. Needs a few megabytes, however many ranges there are. */
export function startPartList(
  { storage }: Repository,
  database: string,
  header: PartListHeader,
  signal: AbortSignal,
): PartListWriter {
  return new ListWriter(storage, database, header, signal);
}

class ListWriter implements PartListWriter {
  readonly #storage: Storage;
  readonly #database: string;
  readonly #what: string;
  readonly #signal: AbortSignal;
  readonly #text: Hash = createHash("sha256");
  readonly #stored: Hash = createHash("sha256");
  /** The lines of the next frame. The same memory for all of them: it would be garbage faster than it is collected. */
  #lines = Buffer.alloc(FRAME_TEXT);
  #length = 0;
  #frames: Buffer[] = [];
  #held = 0;
  #size = 0;
  #spool: StagedObject | undefined;

  constructor(storage: Storage, database: string, header: PartListHeader, signal: AbortSignal) {
    this.#storage = storage;
    this.#database = database;
    this.#what = `the part list of ${header.schema}.${header.name}`;
    this.#signal = signal;
    this.#addLine(requireSound(PartListHeader, header, this.#what));
  }

  async add(range: PartRange): Promise<void> {
    this.#addLine(requireSound(PartRange, range, this.#what));
    if (this.#held >= HELD_BYTES) await this.#spoolFrames();
  }

  async finish(previous?: PartRef | null): Promise<PartRef> {
    this.#compress();
    const nameHash = nameHashOf(this.#storage.location, this.#text.digest("hex"));
    if (previous && textHashOf(previous.name) === nameHash) return previous;
    const name = newPartName(nameHash);
    await using staged = await this.#storage.stage(partListKey(this.#database, name), this.#signal);
    if (this.#spool !== undefined) {
      await this.#spool.finish();
      const spooled = await this.#spool.read(this.#signal);
      for await (const chunk of spooled as AsyncIterable<Buffer>) await staged.write(chunk);
    }
    for (const frame of this.#frames) await staged.write(frame);
    const size = await staged.finish();
    if (size !== this.#size) {
      throw new AppError("unexpected", `write ${this.#what}: ${size} bytes instead of ${this.#size}`);
    }
    await staged.publish();
    return { name, size, sha256: this.#stored.digest("hex") };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#spool?.[Symbol.asyncDispose]();
  }

  #addLine(value: PartListHeader | PartRange): void {
    const line = `${JSON.stringify(value)}\n`;
    const bytes = Buffer.byteLength(line);
    if (this.#length + bytes > this.#lines.length) this.#compress();
    if (bytes > this.#lines.length) this.#lines = Buffer.alloc(bytes);
    this.#length += this.#lines.write(line, this.#length);
  }

  #compress(): void {
    if (this.#length === 0) return;
    const text = this.#lines.subarray(0, this.#length);
    this.#text.update(text);
    for (const frame of compressFrames(text, LEVEL)) {
      this.#stored.update(frame);
      this.#frames.push(frame);
      this.#held += frame.length;
      this.#size += frame.length;
    }
    this.#length = 0;
  }

  async #spoolFrames(): Promise<void> {
    // Never published under this key: it only says in which folder the temporary object lies.
    this.#spool ??= await this.#storage.stage(`${partListsFolder(this.#database)}list`, this.#signal);
    for (const frame of this.#frames) await this.#spool.write(frame);
    this.#frames = [];
    this.#held = 0;
  }
}

/** A part list whose stored bytes were found right before the first line was read. */
export interface PartList {
  readonly header: PartListHeader;
  /** Can be consumed once, and should be to its end: that closes the object. */
  readonly ranges: AsyncGenerator<PartRange>;
}

/**
 * Opens the part list of a table. All stored bytes are compared with size and hash first, and then read again: nothing of
 * a damaged list is ever given out. Throws `backup_damaged`, also when it is not there, and `repository_version`.
 */
export async function readPartList(
  { storage }: Repository,
  database: string,
  list: PartRef,
  signal: AbortSignal,
): Promise<PartList> {
  const key = partListKey(database, list.name);
  const what = `part list ${list.name}`;
  const open = async () => await openChecked(storage, key, what, list, signal);
  await pipeline(await open(), async (source: AsyncIterable<Buffer>) => {
    for await (const _ of source) signal.throwIfAborted();
  });
  const lines = linesOf(readFrames(await open()), what);
  const begun = await lines.next();
  const rest = begun.done === true ? undefined : begun.value;
  const first = rest?.next();
  if (rest === undefined || first === undefined || first.done === true)
    throw new AppError("backup_damaged", `read ${what}: it has no header`);
  return { header: parseVersioned(PartListHeader, first.value, what), ranges: rangesOf(rest, lines, what) };
}

async function* rangesOf(
  first: Iterable<string>,
  others: AsyncIterable<Iterable<string>>,
  what: string,
): AsyncGenerator<PartRange> {
  const parse = (line: string): PartRange => parseStored(PartRange, parseJson(line, what), what);
  for (const line of first) yield parse(line);
  for await (const lines of others) for (const line of lines) yield parse(line);
}

/** The lines of a text that comes in pieces, each without its line feed, as many at once as there are. */
async function* linesOf(pieces: AsyncIterable<Buffer>, what: string): AsyncGenerator<Generator<string>> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const piece of pieces) {
    const text = rest.length === 0 ? piece : Buffer.concat([rest, piece]);
    // Cut behind the last whole line, for a piece may end within a character.
    const end = text.lastIndexOf(NEWLINE) + 1;
    if (end > 0) yield linesIn(text.subarray(0, end));
    rest = text.subarray(end);
  }
  if (rest.length > 0) throw new AppError("backup_damaged", `read ${what}: its last line is cut`);
}

/** One after the other, each when it is its turn. */
function* linesIn(text: Buffer): Generator<string> {
  for (let from = 0; from < text.length; ) {
    const end = text.indexOf(NEWLINE, from);
    yield text.toString("utf8", from, end);
    from = end + 1;
  }
}
