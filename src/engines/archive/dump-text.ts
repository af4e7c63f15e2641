import type { Readable } from "node:stream";
import { AppError, isAppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { clientProgram, majorOf, type PostgresClient } from "../../postgres/clients.ts";
import { decompress } from "./compress.ts";
import { isEcho, type Meter, runBetween, through } from "./pipe.ts";
import { type ArchiveShape, compressionOf, customVersion, readHead } from "./sniff.ts";

/** A stored archive, to be read. */
export interface StoredArchive extends ArchiveShape {
  /** Opens the stored bytes from the beginning; may be called more than once. */
  readonly open: (signal: AbortSignal) => Promise<Readable>;
  /** Reads custom archives. */
  readonly client: PostgresClient;
}

export interface TextReader<T> {
  /** Consumes the text while it is made. */
  readonly output: (text: Readable) => Promise<T>;
  /** Sees the stored bytes that are read. */
  readonly meter?: Meter;
  /** Arguments for `pg_restore`, where the archive is a custom one. */
  readonly restoreArgs?: readonly string[];
}

/**
 * Gives the text of an archive, which is SQL, to a consumer: a plain one decompressed, a custom one as `pg_restore`
 * decodes it. Returns what the consumer returned, and only if everything before it came to a good end. What is cut
 * short or changed is `backup_damaged`; the end of the text itself is for the consumer to check.
 */
export async function readDumpText<T>(
  runtime: Runtime,
  archive: StoredArchive,
  reader: TextReader<T>,
  signal: AbortSignal,
): Promise<T> {
  const { output, meter, restoreArgs: args = [] } = reader;
  const compression = archive.format === "plain" ? archive.compression : await packingOf(archive, signal);
  const stored = await archive.open(signal);
  const source = meter === undefined ? stored : through(stored, meter);
  const decode = (input: Readable): Promise<T> =>
    restoreText(runtime, { client: archive.client, args, input }, output, signal);
  const consume = archive.format === "plain" ? output : decode;
  return await decompress(runtime, { source, compression, output: consume }, signal);
}

interface RestoreText {
  readonly client: PostgresClient;
  /** Further arguments: the archive's path, unless it comes as `input`, and what to choose from it. */
  readonly args: readonly string[];
  readonly input?: Readable;
}

/** Runs `pg_restore` for the SQL it makes of a custom archive. It touches no database. */
async function restoreText<T>(
  runtime: Runtime,
  { client, args, input }: RestoreText,
  output: (text: Readable) => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  let taken: { readonly value: T } | undefined;
  const call = {
    program: clientProgram(client, "pg_restore"),
    // The locale decides the language of complaints and nothing else here.
    env: { ...runtime.env, LC_ALL: "C", LANGUAGE: "C" },
    args: ["--exit-on-error", "--file=-", ...args],
    ...(input === undefined ? {} : { input }),
    output: async (stdout: Readable): Promise<void> => {
      taken = { value: await output(stdout) };
    },
  };
  try {
    await runBetween(runtime, call, signal);
  } catch (error) {
    if (isAppError(error, "tool_failed") && error.details["tool"] === "pg_restore") throw unreadable(error);
    // It stops reading once it has what it was asked for, and exits with 0: then only our pipe was broken.
    if (!isEcho(error) || taken === undefined) throw error;
  }
  if (taken === undefined)
    throw new AppError("unexpected", "read the archive: pg_restore's output was not read");
  return taken.value;
}

/** Without a database, the archive is all that can be wrong; ended by a signal, it says nothing about the archive. */
function unreadable(error: AppError): AppError {
  if (error.details["exitCode"] === null) return error;
  return new AppError("backup_damaged", `decode the archive: ${error.message}`, {
    cause: error,
    details: error.details,
    hint: "take another copy of the file, or another backup",
  });
}

// The first minor version of the archive format that needs a client of this major: 1.15 came with PostgreSQL 16, and
// 1.16 is the newest up to 18.
const NEEDS: readonly (readonly [minor: number, major: number])[] = [
  [17, 19],
  [16, 17],
  [15, 16],
  [14, 12],
];

/** How a custom archive's file is packed as a whole, which its makers rarely do. Refuses what the client cannot read. */
async function packingOf(archive: StoredArchive, signal: AbortSignal): Promise<ArchiveShape["compression"]> {
  const head = await readHead(await archive.open(signal), 16);
  const version = customVersion(head);
  const needed = NEEDS.find(([minor]) => version !== undefined && version.minor >= minor)?.[1];
  if (needed !== undefined && majorOf(archive.client.version) < needed) {
    throw new AppError(
      "client_missing",
      `read the archive: ${archive.client.label} is too old for it, it takes PostgreSQL ${needed} or newer`,
      { hint: `\`apt-get install postgresql-client-${needed}\`, or a newer one` },
    );
  }
  return compressionOf(head);
}
