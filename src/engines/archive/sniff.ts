import { Readable } from "node:stream";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { AppError } from "../../errors.ts";
import type { ArchiveFile } from "../../repository/manifest.ts";
import { isDecoderError, through } from "./pipe.ts";

/** What a file is, as far as its decoder is concerned: the format, and how the file as a whole is packed. */
export interface ArchiveShape {
  readonly format: ArchiveFile["format"];
  readonly compression: ArchiveFile["compression"] | "none";
}

/** Enough for every magic number; tar has its own at byte 257. */
const MAGIC_BYTES = 512;
/** pg_dump writes its header in the first lines; notes of the user's may stand above it. */
const HEADER_WITHIN = 16 * 1024;

const MAGIC = {
  gzip: Buffer.from([0x1f, 0x8b]),
  zstd: Buffer.from([0x28, 0xb5, 0x2f, 0xfd]),
  custom: Buffer.from("PGDMP"),
};

const FOREIGN: readonly { what: string; magic: Buffer; hint: string }[] = [
  { what: "an xz file", magic: Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a]), hint: "unpack it with `xz -d`" },
  { what: "a bzip2 file", magic: Buffer.from("BZh"), hint: "unpack it with `bunzip2`" },
  { what: "an lz4 file", magic: Buffer.from([0x04, 0x22, 0x4d, 0x18]), hint: "unpack it with `lz4 -d`" },
  { what: "a zip file", magic: Buffer.from("PK\x03\x04"), hint: "unpack it with `unzip`" },
  {
    what: "a file encrypted with age",
    magic: Buffer.from("age-encryption.org/"),
    hint: "decrypt it with `age -d`",
  },
  {
    what: "UTF-16 text",
    magic: Buffer.from([0xff, 0xfe]),
    hint: "a `>` in PowerShell spoils dumps: write them with `pg_dump --file`",
  },
];

/**
 * Decides by content what an archive is. Reads only its beginning and destroys the stream. Fails with `not_an_archive`,
 * saying what the file looks like, or `backup_damaged` when its compressed beginning cannot be read.
 */
export async function sniffArchive(stream: Readable, label: string): Promise<ArchiveShape> {
  try {
    const chunks = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
    const head = await take(chunks, MAGIC_BYTES);
    const compression = compressionOf(head);
    const top =
      compression === "none" ? await more(head, chunks) : await unpackTop(head, chunks, compression, label);
    return { format: formatOf(top, label), compression };
  } finally {
    stream.destroy();
  }
}

/** The first `size` bytes of a stream, or all there are. Destroys the stream. */
export async function readHead(stream: Readable, size: number): Promise<Buffer> {
  try {
    return (await take(stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>, size)).subarray(0, size);
  } finally {
    stream.destroy();
  }
}

/** How the bytes of a file are packed, by its first ones. */
export function compressionOf(head: Buffer): ArchiveShape["compression"] {
  if (startsWith(head, MAGIC.gzip)) return "gzip";
  return startsWith(head, MAGIC.zstd) ? "zstd" : "none";
}

/** Major and minor version of the custom format (1.14: major 1, minor 14); undefined for any other file. */
export function customVersion(head: Buffer): { readonly major: number; readonly minor: number } | undefined {
  if (!startsWith(head, MAGIC.custom) || head.length < 7) return undefined;
  return { major: head.readUInt8(5), minor: head.readUInt8(6) };
}

/** At least `size` bytes, or all that are left. */
async function take(chunks: AsyncIterator<Buffer>, size: number): Promise<Buffer> {
  const taken: Buffer[] = [];
  for (let length = 0; length < size; ) {
    const next = await chunks.next();
    if (next.done === true) break;
    taken.push(next.value);
    length += next.value.length;
  }
  return Buffer.concat(taken);
}

async function more(head: Buffer, chunks: AsyncIterator<Buffer>): Promise<Buffer> {
  return Buffer.concat([head, await take(chunks, HEADER_WITHIN - head.length)]);
}

/** As a stream: a small file may unpack to gigabytes, and only the top of them is wanted. */
async function unpackTop(
  head: Buffer,
  chunks: AsyncIterator<Buffer>,
  compression: "gzip" | "zstd",
  label: string,
): Promise<Buffer> {
  const source = Readable.from(rejoin(head, chunks), { objectMode: false });
  const unpacked = through(source, compression === "gzip" ? createGunzip() : createZstdDecompress());
  try {
    return await readHead(unpacked, HEADER_WITHIN);
  } catch (cause) {
    if (!isDecoderError(cause)) throw cause;
    throw new AppError("backup_damaged", `read ${label}: its ${compression} data is damaged`, {
      cause,
      hint: "take another copy of the file, or another backup",
    });
  }
}

async function* rejoin(head: Buffer, rest: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  yield head;
  for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value;
}

function formatOf(head: Buffer, label: string): ArchiveShape["format"] {
  if (startsWith(head, MAGIC.custom)) return "custom";
  const top = head.subarray(0, HEADER_WITHIN);
  if (top.includes("PostgreSQL database cluster dump")) {
    throw notAnArchive(
      label,
      "a dump of a whole server, made by pg_dumpall",
      "load it into an empty server with `psql -f`, or dump the databases one by one with `pg_dump`",
    );
  }
  if (top.includes("PostgreSQL database dump") && !top.includes(0)) return "plain";
  if (head.subarray(257, 262).toString("latin1") === "ustar") {
    throw notAnArchive(
      label,
      "a tar archive",
      "one made by `pg_dump -Ft` is restored with `pg_restore`; take dumps as plain text or with `-Fc`",
    );
  }
  const foreign = FOREIGN.find(({ magic }) => startsWith(head, magic));
  if (foreign !== undefined) throw notAnArchive(label, foreign.what, foreign.hint);
  throw notAnArchive(label, describe(top), "give a file written by `pg_dump`, plain or with `-Fc`");
}

function describe(top: Buffer): string {
  if (top.length === 0) return "an empty file";
  return top.includes(0) ? "a binary file of an unknown kind" : "a text without pg_dump's header";
}

function notAnArchive(label: string, looksLike: string, hint: string): AppError {
  return new AppError("not_an_archive", `read ${label}: it looks like ${looksLike}`, {
    hint,
    details: { looksLike },
  });
}

function startsWith(bytes: Buffer, magic: Buffer): boolean {
  return bytes.length >= magic.length && bytes.subarray(0, magic.length).equals(magic);
}
