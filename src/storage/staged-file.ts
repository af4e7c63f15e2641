import { access, type FileHandle, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import type { Readable } from "node:stream";
import { AppError } from "../errors.ts";
import { type HardLink, hasNoHardLinks, syncFolder, temporaryName } from "../lib/durable.ts";
import { fileError, isAbsent, translated } from "./file-errors.ts";
import { openFile } from "./file-stream.ts";
import { inFolderOf } from "./folders.ts";
import type { StagedObject } from "./storage.ts";

/** Starts writing `path` under a temporary name beside it. */
export async function stageFile(
  path: string,
  hardLink: HardLink,
  signal: AbortSignal,
): Promise<StagedObject> {
  return await translated("write", path, () =>
    inFolderOf(path, async () => {
      const temporary = temporaryName(path);
      return new StagedFile(path, temporary, await open(temporary, "wx", 0o600), hardLink, signal);
    }),
  );
}

class StagedFile implements StagedObject {
  readonly #path: string;
  readonly #temporary: string;
  readonly #hardLink: HardLink;
  readonly #signal: AbortSignal;
  /** Undefined once finished or disposed. */
  #handle: FileHandle | undefined;
  #size = 0;
  #published = false;

  constructor(path: string, temporary: string, handle: FileHandle, hardLink: HardLink, signal: AbortSignal) {
    this.#path = path;
    this.#temporary = temporary;
    this.#handle = handle;
    this.#hardLink = hardLink;
    this.#signal = signal;
  }

  /** A file grows as it is written. */
  expect(): void {}

  async write(chunk: Uint8Array): Promise<void> {
    const handle = this.#open();
    await this.#attempt("write", async () => {
      // One call may write less than it was given, on a nearly full disk for one.
      for (let offset = 0; offset < chunk.length; ) {
        this.#signal.throwIfAborted();
        const { bytesWritten } = await handle.write(chunk, offset, chunk.length - offset);
        offset += bytesWritten;
        this.#size += bytesWritten;
      }
    });
  }

  async finish(): Promise<number> {
    const handle = this.#open();
    await this.#attempt("write", async () => {
      await handle.sync();
      this.#handle = undefined;
      // Some network file systems report a full disk only here.
      await handle.close();
    });
    return this.#size;
  }

  async read(signal: AbortSignal): Promise<Readable> {
    this.#mustBeFinished();
    return await openFile(this.#temporary, signal);
  }

  async publish(): Promise<void> {
    this.#mustBeFinished();
    await this.#attempt("publish", async () => {
      try {
        // link(2) fails when the name is taken; rename(2) would replace what is there.
        await this.#hardLink(this.#temporary, this.#path);
        this.#published = true;
        await rm(this.#temporary);
      } catch (error) {
        if (!hasNoHardLinks(error) || this.#published) throw error;
        await this.#publishByRename();
      }
      await syncFolder(dirname(this.#path));
    });
  }

  async replace(): Promise<void> {
    this.#mustBeFinished();
    await this.#attempt("replace", async () => {
      await rename(this.#temporary, this.#path);
      this.#published = true;
      await syncFolder(dirname(this.#path));
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    await handle?.close();
    // Also after publishing: nothing is left when its own removal went well, and nothing is lost when it did not.
    await translated("remove", this.#temporary, () => rm(this.#temporary, { force: true }));
  }

  /**
   * Looking first and renaming then is two steps: whoever takes the name in between is overwritten. Acceptable only
   * because names are given under the lease, by one writer, and carry the second at which it began.
   */
  async #publishByRename(): Promise<void> {
    try {
      await access(this.#path);
    } catch (error) {
      if (!isAbsent(error)) throw error;
      await rename(this.#temporary, this.#path);
      this.#published = true;
      return;
    }
    throw new AppError("object_exists", `publish ${this.#path}: it is there already`);
  }

  #open(): FileHandle {
    if (this.#handle === undefined) throw new AppError("unexpected", `write ${this.#path}: already finished`);
    return this.#handle;
  }

  #mustBeFinished(): void {
    if (this.#handle !== undefined) throw new AppError("unexpected", `publish ${this.#path}: not finished`);
  }

  async #attempt(operation: string, work: () => Promise<void>): Promise<void> {
    this.#signal.throwIfAborted();
    try {
      await work();
    } catch (error) {
      if (this.#signal.aborted) throw this.#signal.reason;
      throw fileError(operation, this.#path, error);
    }
  }
}
