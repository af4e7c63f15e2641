import type { Readable } from "node:stream";
import { AppError } from "../../errors.ts";
import type { StagedObject } from "../storage.ts";
import type { Connection } from "./connection.ts";
import { copyObject } from "./copy.ts";
import { MultipartUpload } from "./multipart.ts";
import { uploadPartSize } from "./part-sizes.ts";
import { openObject } from "./read-stream.ts";
import type { Requests } from "./requests.ts";

// What is no larger is held in memory and published with a single conditional request.
const HELD_BYTES = 16 * 1024 ** 2;
// Of parts on their way: enough to keep a fast network busy.
const IN_FLIGHT_BYTES = 32 * 1024 ** 2;
const IN_FLIGHT_PARTS = 4;
// A run that ends must not wait for a server that is down: what stays is swept by the next one.
const TIDY_PATIENCE_MS = 5000;

/** Keys of one staged object, whole. */
export interface StagedKeys {
  readonly key: string;
  readonly temporary: string;
}

/**
 * An object on its way into a bucket, which has no rename. A small one is held in memory, and put under its key with a
 * condition when it is published. A large one goes up in parts, becomes an object under a temporary key when it is
 * finished, and is copied to its key by the server when it is published. What is read back always comes from the bucket.
 */
export class S3StagedObject implements StagedObject {
  readonly #connection: Connection;
  readonly #requests: Requests;
  readonly #keys: StagedKeys;
  readonly #signal: AbortSignal;
  #expected: number | undefined;
  #held: Buffer[] = [];
  #heldBytes = 0;
  /** Of parts that were sent: new ones would pile up until somebody collects them. */
  readonly #spare: Buffer[] = [];
  #size = 0;
  #upload: MultipartUpload | undefined;
  #finished = false;
  #temporaryThere = false;

  constructor(connection: Connection, requests: Requests, keys: StagedKeys, signal: AbortSignal) {
    this.#connection = connection;
    this.#requests = requests;
    this.#keys = keys;
    this.#signal = signal;
  }

  expect(bytes: number): void {
    this.#expected = bytes;
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.#signal.throwIfAborted();
    if (this.#finished) throw new AppError("unexpected", `write ${this.#keys.key}: already finished`);
    // A copy: the caller may go on using its buffer.
    this.#held.push(Buffer.from(chunk));
    this.#heldBytes += chunk.length;
    this.#size += chunk.length;
    if (this.#upload === undefined && this.#heldBytes <= HELD_BYTES) return;
    for (let size = this.#nextPart(); this.#heldBytes > size; size = this.#nextPart()) await this.#send(size);
  }

  async finish(): Promise<number> {
    this.#signal.throwIfAborted();
    if (this.#finished) throw new AppError("unexpected", `write ${this.#keys.key}: already finished`);
    this.#finished = true;
    if (this.#upload === undefined) return this.#size;
    if (this.#heldBytes > 0) await this.#send(this.#heldBytes);
    // From here on there may be an object, whatever becomes of the answer.
    this.#temporaryThere = true;
    await this.#upload.complete(this.#size);
    return this.#size;
  }

  async read(signal: AbortSignal): Promise<Readable> {
    this.#mustBeFinished("read");
    if (this.#upload === undefined && !this.#temporaryThere) {
      this.#temporaryThere = true;
      await this.#requests.put(this.#keys.temporary, this.#whole(), this.#signal);
    }
    return await openObject(this.#requests, this.#keys.temporary, signal);
  }

  async publish(): Promise<void> {
    this.#mustBeFinished("publish");
    this.#signal.throwIfAborted();
    const { key, temporary } = this.#keys;
    const isFree =
      this.#upload === undefined
        ? await this.#requests.putNew(key, this.#whole(), this.#signal)
        : (await this.#requests.head(key, this.#signal)) === undefined;
    if (!isFree) {
      throw new AppError("object_exists", `publish ${this.#requests.nameOf(key)}: it is there already`);
    }
    if (this.#upload === undefined) return;
    // Looking and copying are two steps: whoever takes the key in between is overwritten. Acceptable only because names of
    // large objects are given under the lease, by one writer, and carry the second at which it began.
    await copyObject(this.#connection, this.#requests, [temporary, key], this.#size, this.#signal);
  }

  async replace(): Promise<void> {
    this.#mustBeFinished("replace");
    this.#signal.throwIfAborted();
    const { key, temporary } = this.#keys;
    if (this.#upload === undefined) await this.#requests.put(key, this.#whole(), this.#signal);
    else await copyObject(this.#connection, this.#requests, [temporary, key], this.#size, this.#signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#held = [];
    // Not the caller's signal: that may be aborted.
    const { signal } = new AbortController();
    const completed = this.#temporaryThere;
    // What cannot be removed now is swept later; what the run was about has an error of its own, or went well.
    if (this.#upload !== undefined && !completed) await this.#upload.abort().catch(unlessUnexpected);
    if (completed) {
      this.#temporaryThere = false;
      await this.#requests.delete(this.#keys.temporary, signal, TIDY_PATIENCE_MS).catch(unlessUnexpected);
    }
  }

  #nextPart(): number {
    return uploadPartSize((this.#upload?.count ?? 0) + 1, this.#expected);
  }

  /** Sends the first bytes of those held as the next part. */
  async #send(size: number): Promise<void> {
    const parts = Math.max(1, Math.min(IN_FLIGHT_PARTS, Math.floor(IN_FLIGHT_BYTES / size)));
    this.#upload ??= await MultipartUpload.begin(
      this.#connection,
      this.#requests,
      this.#keys.temporary,
      { parts, sent: (part) => void this.#spare.push(part) },
      this.#signal,
    );
    await this.#upload.add(this.#take(size));
  }

  /** The first bytes of those held, in a buffer that an earlier part had, where there is one. */
  #take(size: number): Buffer {
    const spare = this.#spare.pop();
    const part = spare?.length === size ? spare : Buffer.allocUnsafeSlow(size);
    let filled = 0;
    for (let piece = this.#held.shift(); piece !== undefined; piece = this.#held.shift()) {
      const used = piece.copy(part, filled);
      filled += used;
      if (used < piece.length) this.#held.unshift(piece.subarray(used));
      if (filled === size) break;
    }
    this.#heldBytes -= size;
    return part;
  }

  #whole(): Buffer {
    return Buffer.concat(this.#held);
  }

  #mustBeFinished(operation: string): void {
    if (!this.#finished) throw new AppError("unexpected", `${operation} ${this.#keys.key}: not finished`);
  }
}

/** For failures that somebody else mends: a defect is none of those. */
function unlessUnexpected(error: unknown): void {
  if (!(error instanceof AppError)) throw error;
}
