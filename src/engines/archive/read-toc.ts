import { AppError } from "../../errors.ts";

/** One entry of a custom archive's table of contents. */
export interface TocEntry {
  readonly dumpId: number;
  /** The catalogue the object is in (1259 is `pg_class`) and its oid there, in the database that was dumped; 0 for none. */
  readonly catalogOid: number;
  readonly oid: number;
  /** As `pg_restore --list` says it: `TABLE`, `TABLE DATA`, `EXTENSION`, `FK CONSTRAINT` … */
  readonly type: string;
  /** Empty for objects that belong to no schema. */
  readonly schema: string;
  /** The object's name; of a constraint or trigger, its table's and its own. */
  readonly name: string;
  readonly owner: string;
}

/** The archive's table of contents, or undefined while these are not enough of its first bytes. */
export function readToc(bytes: Buffer): TocEntry[] | undefined {
  try {
    return parseToc(new Reader(bytes));
  } catch (error) {
    if (error instanceof MoreNeeded) return undefined;
    throw error;
  }
}

// The layout is that of PostgreSQL's pg_backup_archiver.c; these are the versions of it that 12 to 18 write.
const OLDEST_MINOR = 14;
const NEWEST_MINOR = 16;
const COMPRESSION_NAMED_SINCE = 15;
const KIND_SINCE = 16;

function parseToc(reader: Reader): TocEntry[] {
  const minor = readPreamble(reader);
  if (minor >= COMPRESSION_NAMED_SINCE) reader.byte();
  else reader.int();
  // The time it was made: seconds to years, and daylight saving.
  for (let n = 0; n < 7; n += 1) reader.int();
  // Names of the database, and versions of server and pg_dump.
  for (let n = 0; n < 3; n += 1) reader.text();
  const count = reader.int();
  const entries: TocEntry[] = [];
  for (let n = 0; n < count; n += 1) entries.push(readEntry(reader, minor));
  return entries;
}

function readPreamble(reader: Reader): number {
  const magic = reader.bytes(5).toString("latin1");
  const major = reader.byte();
  const minor = reader.byte();
  if (magic !== "PGDMP" || major !== 1 || minor < OLDEST_MINOR || minor > NEWEST_MINOR) {
    throw new AppError(
      "not_an_archive",
      `read the table of contents: format ${major}.${minor} is not known`,
      {
        hint: "write the archive with pg_dump of PostgreSQL 12 to 18",
      },
    );
  }
  reader.byte(); // revision
  reader.intSize = reader.byte();
  reader.offsetSize = reader.byte();
  reader.byte(); // custom, tar or directory
  return minor;
}

function readEntry(reader: Reader, minor: number): TocEntry {
  const dumpId = reader.int();
  reader.int(); // whether it has data
  const catalogOid = Number(reader.text());
  const oid = Number(reader.text());
  const name = reader.text();
  const type = reader.text();
  reader.int(); // section
  reader.text(); // definition
  reader.text(); // DROP statement
  reader.text(); // COPY statement
  const schema = reader.text();
  reader.text(); // tablespace
  reader.text(); // access method
  if (minor >= KIND_SINCE) reader.int();
  const owner = reader.text();
  reader.text(); // once "with oids"
  while (reader.nullableText() !== undefined) continue; // dependencies
  reader.byte(); // whether the offset is known
  reader.bytes(reader.offsetSize);
  return { dumpId, catalogOid, oid, type, schema, name, owner };
}

class MoreNeeded extends Error {}

class Reader {
  intSize = 4;
  offsetSize = 8;
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  bytes(count: number): Buffer {
    if (this.#at + count > this.#bytes.length) throw new MoreNeeded();
    this.#at += count;
    return this.#bytes.subarray(this.#at - count, this.#at);
  }

  byte(): number {
    return this.bytes(1).readUInt8();
  }

  /** A sign, then the magnitude from the lowest byte up. */
  int(): number {
    const negative = this.byte() !== 0;
    const magnitude = this.bytes(this.intSize).readUIntLE(0, this.intSize);
    return negative ? -magnitude : magnitude;
  }

  nullableText(): string | undefined {
    const length = this.int();
    return length < 0 ? undefined : this.bytes(length).toString("utf8");
  }

  text(): string {
    return this.nullableText() ?? "";
  }
}
