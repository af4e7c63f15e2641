import type { FileHandle } from "node:fs/promises";
import { open } from "node:fs/promises";
import { Readable } from "node:stream";
import { AppError } from "../errors.ts";
import { fileError } from "./file-errors.ts";

const CHUNK = 256 * 1024;

/** Opens a regular file for reading. Fails at once when it is missing; later errors arrive on the stream, translated. */
export async function openFile(path: string, signal: AbortSignal): Promise<Readable> {
  signal.throwIfAborted();
  let handle: FileHandle;
  try {
    handle = await open(path, "r");
  } catch (error) {
    throw fileError("read", path, error);
  }
  try {
    if (!(await handle.stat()).isFile()) {
      throw new AppError("object_missing", `read ${path}: it is not a regular file`);
    }
    signal.throwIfAborted();
  } catch (error) {
    await handle.close();
    throw error;
  }
  return streamOf(handle, path, signal);
}

/** Not `createReadStream`: its errors would reach the caller as bare errnos. */
function streamOf(handle: FileHandle, path: string, signal: AbortSignal): Readable {
  const stream = new Readable({
    highWaterMark: CHUNK,
    read(size) {
      handle.read(Buffer.allocUnsafe(Math.max(size, CHUNK))).then(
        ({ bytesRead, buffer }) => this.push(bytesRead === 0 ? null : buffer.subarray(0, bytesRead)),
        (error: unknown) => this.destroy(fileError("read", path, error)),
      );
    },
    destroy(error, done) {
      signal.removeEventListener("abort", onAbort);
      handle.close().then(
        () => done(error),
        (closeError: unknown) => done(error ?? fileError("read", path, closeError)),
      );
    },
  });
  const onAbort = (): void => {
    stream.destroy(signal.reason as Error);
  };
  signal.addEventListener("abort", onAbort, { once: true });
  return stream;
}
