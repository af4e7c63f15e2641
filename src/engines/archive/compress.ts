import type { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, createGzip } from "node:zlib";
import { AppError, isAppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { isEcho, isDecoderError, runBetween } from "./pipe.ts";
import type { ArchiveShape } from "./sniff.ts";

export interface Passage<T> {
  readonly source: Readable;
  readonly compression: ArchiveShape["compression"];
  /** Reads the result while it is made. */
  readonly output: (stream: Readable) => Promise<T>;
}

// zlib's default of 16 KiB wakes the main thread once for every 16 KiB of a dump.
const CHUNK = 64 * 1024;
// gzip's own default. Higher ones cost a multiple of the time for a few percent.
const GZIP_LEVEL = 6;
const ZSTD_LEVEL = 3;

/**
 * Compresses a stream. Returns what the consumer returned, and only if source, compressor and consumer all came to
 * their end; otherwise the error of the first that failed. `client_missing` when zstd is wanted and not installed.
 */
export async function compress<T>(runtime: Runtime, passage: Passage<T>, signal: AbortSignal): Promise<T> {
  switch (passage.compression) {
    case "none":
      return await passage.output(passage.source);
    case "gzip":
      return await pass(passage, createGzip({ level: GZIP_LEVEL, chunkSize: CHUNK }), signal);
    case "zstd":
      // Threads of the program's own compress beside pg_dump; its checksum is on by default, but we rely on it.
      return await runZstd(runtime, [`-${ZSTD_LEVEL}`, "--threads=0", "--check"], passage, signal);
  }
}

/**
 * Decompresses a stream, all members or frames of it. Like `compress`; data that is cut short or changed is
 * `backup_damaged`. A consumer that reads to the end has been given everything only once this has returned: gzip's and
 * zstd's checksums come last.
 */
export async function decompress<T>(runtime: Runtime, passage: Passage<T>, signal: AbortSignal): Promise<T> {
  try {
    switch (passage.compression) {
      case "none":
        return await passage.output(passage.source);
      case "gzip":
        return await pass(passage, createGunzip({ chunkSize: CHUNK }), signal);
      case "zstd":
        // Archives written with `--long` need a larger window than the program grants unasked.
        return await runZstd(runtime, ["--decompress", "--long=31"], passage, signal);
    }
  } catch (error) {
    throw isDamage(error) ? damaged(passage.compression, error) : error;
  }
}

async function pass<T>(passage: Passage<T>, transform: Transform, signal: AbortSignal): Promise<T> {
  const [fed, taken] = await Promise.allSettled([
    pipeline(passage.source, transform, { signal }),
    consume(transform, passage.output),
  ]);
  signal.throwIfAborted();
  // A broken pipe is the echo of the consumer's end: it failed, or had enough (`pg_restore` of chosen entries).
  if (fed.status === "rejected" && !isEcho(fed.reason)) throw fed.reason;
  if (taken.status === "rejected") throw taken.reason;
  return taken.value;
}

async function consume<T>(stream: Transform, output: (stream: Readable) => Promise<T>): Promise<T> {
  try {
    const value = await output(stream);
    if (!stream.readableEnded) stream.destroy();
    return value;
  } catch (error) {
    stream.destroy(error instanceof Error ? error : new Error(String(error)));
    throw error;
  }
}

async function runZstd<T>(
  runtime: Runtime,
  args: readonly string[],
  passage: Passage<T>,
  signal: AbortSignal,
): Promise<T> {
  const { source: input, output } = passage;
  const call = { program: "zstd", args: [...args, "--quiet", "--stdout"], env: runtime.env, input, output };
  return await runBetween(runtime, call, signal);
}

/** The program has one exit code for all bad input; ended by a signal, it says nothing about the input. */
function isDamage(error: unknown): boolean {
  if (isDecoderError(error)) return true;
  return (
    isAppError(error, "tool_failed") && error.details["tool"] === "zstd" && error.details["exitCode"] !== null
  );
}

function damaged(compression: ArchiveShape["compression"], cause: unknown): AppError {
  return new AppError(
    "backup_damaged",
    `decompress the archive: its ${compression} data is cut short or changed`,
    {
      cause,
      hint: "take another copy of the file, or another backup",
    },
  );
}
