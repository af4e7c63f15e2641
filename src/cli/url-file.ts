import { open, rm, stat } from "node:fs/promises";
import { AppError, errorCode, inOperation, messageOf } from "../errors.ts";
import { requireWritable, writeDurable } from "../lib/durable.ts";

/** A file for a connection string, which is there, empty, before anything is made that costs money. */
export interface UrlFile {
  /** Fails with `usage`. */
  write(url: string): Promise<void>;
  /** Takes it away unless something was written. */
  drop(): Promise<void>;
}

/** Only its owner can read it. Fails with `target_exists` where there is a file with something in it, and with `usage`. */
export async function openUrlFile(path: string): Promise<UrlFile> {
  try {
    // An empty one is what a killed run leaves.
    await requireWritable(path, (await sizeOf(path)) === 0);
    await (await open(path, "a", 0o600)).close();
  } catch (error) {
    if (error instanceof AppError)
      throw error.code === "target_exists"
        ? new AppError(error.code, error.message, { hint: "choose another path", cause: error })
        : error;
    throw unwritable(path, error);
  }
  return {
    write: async (url) => {
      await writeDurable(path, `${url}\n`).catch((error: unknown) => {
        throw unwritable(path, error);
      });
    },
    drop: async () => {
      if ((await sizeOf(path)) === 0) await rm(path, { force: true });
    },
  };
}

function unwritable(path: string, error: unknown): AppError {
  if (error instanceof AppError) return inOperation(`write ${path}`, error);
  return new AppError("usage", `write ${path}: ${messageOf(error)}`, { cause: error });
}

/** Undefined where there is no such file. */
async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
}
