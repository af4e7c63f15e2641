import { Readable } from "node:stream";
import { AppError } from "../../errors.ts";
import { failureOf, isTransient } from "./failure.ts";
import type { Opened, Requests } from "./requests.ts";

// In a row, without one byte in between. Each is a new request, which itself is tried for a long time.
const MOST_FRUITLESS = 5;

/**
 * Opens an object for reading. Where the connection breaks, reading goes on behind the last byte that came, as long as the
 * object is the same one. The stream ends only when the whole of its announced length has come.
 */
export async function openObject(
  requests: Requests,
  key: string,
  signal: AbortSignal,
  version?: string,
): Promise<Readable> {
  return streamOf(requests, { key, version }, await requests.open(key, 0, { version }, signal), signal);
}

function streamOf(
  requests: Requests,
  { key, version }: { readonly key: string; readonly version: string | undefined },
  first: Opened,
  signal: AbortSignal,
): Readable {
  const { size, etag } = first;
  let body = first.body;
  let chunks = iterate(body);
  let received = 0;
  let fruitless = 0;
  const next = async (): Promise<Buffer | null> => {
    for (;;) {
      signal.throwIfAborted();
      const chunk = await chunkOf(chunks);
      if (Buffer.isBuffer(chunk)) {
        received += chunk.length;
        fruitless = 0;
        if (received > size) throw changed(requests, key);
        return chunk;
      }
      if (received === size && chunk === undefined) return null;
      fruitless += 1;
      signal.throwIfAborted();
      if (stream.destroyed) return null;
      if (fruitless > MOST_FRUITLESS) throw neverEnding(requests, key, received, size, chunk);
      body.destroy();
      // All of it came, and the connection broke where the end should have been told.
      if (received === size) return null;
      ({ body } = await requests.open(key, received, { etag, version }, signal));
      chunks = iterate(body);
      if (stream.destroyed) body.destroy();
    }
  };
  const stream: Readable = new Readable({
    read() {
      next().then(
        (chunk) => this.push(chunk),
        (error: unknown) => this.destroy(asError(error)),
      );
    },
    destroy(error, done) {
      signal.removeEventListener("abort", onAbort);
      body.destroy();
      done(error);
    },
  });
  const onAbort = (): void => {
    stream.destroy(signal.reason as Error);
  };
  signal.addEventListener("abort", onAbort, { once: true });
  return stream;
}

function iterate(body: Readable): AsyncIterator<Buffer> {
  // Its errors are ours to see also while nobody asks for the next piece.
  body.on("error", () => undefined);
  return body.iterator({ destroyOnReturn: true }) as AsyncIterator<Buffer>;
}

/** The next piece; undefined at the end; an error that a new request may mend. Throws any other error. */
async function chunkOf(chunks: AsyncIterator<Buffer>): Promise<Buffer | undefined | Error> {
  try {
    const { value, done } = await chunks.next();
    return done === true ? undefined : value;
  } catch (error) {
    if (isTransient(error, failureOf(error)) || isPremature(error)) return asError(error);
    throw error;
  }
}

/** Node's word for a body that was closed before its end. */
function isPremature(error: unknown): boolean {
  return failureOf(error).code === "ERR_STREAM_PREMATURE_CLOSE";
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

function changed(requests: Requests, key: string): AppError {
  return new AppError("repository_unusable", `read ${requests.nameOf(key)}: more bytes came than it has`);
}

function neverEnding(
  requests: Requests,
  key: string,
  received: number,
  size: number,
  cause: Error | undefined,
): AppError {
  return new AppError(
    "repository_unreachable",
    `read ${requests.nameOf(key)}: the connection breaks again and again behind byte ${received} of ${size}`,
    { cause, hint: "look at proxies and firewalls between here and the object store" },
  );
}
