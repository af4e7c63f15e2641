import { createHash } from "node:crypto";
import { type Readable, Transform, type TransformCallback, pipeline } from "node:stream";
import { errorCode } from "../../errors.ts";
import { isBrokenPipe, runTool, type ToolCall } from "../../lib/process.ts";
import type { Runtime } from "../../lib/runtime.ts";

/**
 * Runs a tool between a source and a consumer, like `runTool`, and throws the failure of the party that broke first.
 * Without this, a full disk behind `pg_dump` would be told as "pg_dump was terminated", because it was we who
 * stopped it; and a source that cannot be read on as the tool's complaint about an early end of its input.
 */
export async function runBetween<T>(runtime: Runtime, call: ToolCall<T>, signal: AbortSignal): Promise<T> {
  let first: { readonly error: unknown } | undefined;
  const broke = (error: unknown): void => {
    // A broken pipe is how the death of the tool looks from our side: a consequence, never the cause.
    if (!isEcho(error)) first ??= { error };
  };
  call.input?.once("error", broke);
  const output = async (stdout: Readable): Promise<T> => {
    try {
      return await call.output(stdout);
    } catch (error) {
      broke(error);
      throw error;
    }
  };
  try {
    return await runTool(runtime, { ...call, output }, signal);
  } catch (error) {
    signal.throwIfAborted();
    throw first === undefined ? error : first.error;
  }
}

/** Sends a stream through a transform. Failures of either, and giving up reading, reach the other. */
export function through(source: Readable, transform: Transform): Transform {
  // The reader of the transform gets the error from the transform itself.
  pipeline(source, transform, () => undefined);
  return transform;
}

/** Counts and hashes what passes. */
export class Meter extends Transform {
  /** Bytes so far. */
  size = 0;
  /** True once everything has passed. */
  complete = false;
  readonly #hash = createHash("sha256");
  readonly #told: (() => void) | undefined;

  /** @param told called after each chunk */
  constructor(told?: () => void) {
    super();
    this.#told = told;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.size += chunk.length;
    this.#hash.update(chunk);
    this.#told?.();
    done(null, chunk);
  }

  override _flush(done: TransformCallback): void {
    this.complete = true;
    done();
  }

  /** SHA-256 of what has passed, in hexadecimal. Can be asked for once. */
  digest(): string {
    return this.#hash.digest("hex");
  }
}

/** True for the errors of a stream whose other end has gone away; Node says "aborted" where that happened silently. */
export function isEcho(error: unknown): boolean {
  return isBrokenPipe(error) || errorCode(error) === "ABORT_ERR";
}

/** True for the errors by which node:zlib says that data is no valid gzip or zstd. */
export function isDecoderError(error: unknown): boolean {
  const code = errorCode(error) ?? "";
  return code.startsWith("Z_") || code.startsWith("ZSTD_");
}
