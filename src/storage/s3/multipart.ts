import { AppError, isAppError } from "../../errors.ts";
import { InFlight } from "../../lib/in-flight.ts";
import type { Connection } from "./connection.ts";
import { failureOf } from "./failure.ts";
import type { Requests } from "./requests.ts";

// What a dead upload leaves is swept; a run that ends must not wait for a server that is down.
const ABORT_PATIENCE_MS = 5000;

export interface UploadLimits {
  /** How many parts are under way at a time. */
  readonly parts: number;
  /** Gets the bytes of each part that is stored: they may be overwritten. */
  readonly sent?: (data: Buffer) => void;
}

/** An upload in parts. Nothing of it can be seen before it is completed. */
export class MultipartUpload {
  readonly #connection: Connection;
  readonly #requests: Requests;
  readonly #key: string;
  readonly #id: string;
  readonly #signal: AbortSignal;
  readonly #inFlight: InFlight;
  readonly #sent: UploadLimits["sent"];
  readonly #givenUp = new AbortController();
  readonly #parts: Promise<{ readonly PartNumber: number; readonly ETag: string | undefined }>[] = [];
  #failed: { readonly error: unknown } | undefined;

  private constructor(
    connection: Connection,
    requests: Requests,
    { key, id }: { readonly key: string; readonly id: string },
    limits: UploadLimits,
    signal: AbortSignal,
  ) {
    this.#connection = connection;
    this.#requests = requests;
    this.#key = key;
    this.#id = id;
    this.#inFlight = new InFlight(limits.parts);
    this.#sent = limits.sent;
    this.#signal = AbortSignal.any([signal, this.#givenUp.signal]);
  }

  static async begin(
    connection: Connection,
    requests: Requests,
    key: string,
    limits: UploadLimits,
    signal: AbortSignal,
  ): Promise<MultipartUpload> {
    const input = { Bucket: connection.place.bucket, Key: key };
    const what = `write ${requests.nameOf(key)}`;
    const id = await connection.ask(what, signal, async (attempt) => {
      const { client, sdk, options } = attempt;
      const command = new sdk.CreateMultipartUploadCommand({
        ...input,
        ...requests.retention.ofAttempt(key, attempt),
      });
      const { UploadId } = await client.send(command, options);
      if (UploadId !== undefined) return UploadId;
      throw new AppError("repository_unusable", `${what}: the server gave the upload no id`);
    });
    return new MultipartUpload(connection, requests, { key, id }, limits, signal);
  }

  /** How many parts there are so far. */
  get count(): number {
    return this.#parts.length;
  }

  /** Sends the next part; resolves when another one may come. The bytes must stay as they are. */
  async add(data: Buffer): Promise<void> {
    await this.#start(async (PartNumber) => {
      const input = { ...this.#target(), PartNumber, Body: data };
      const etag = await this.#connection.ask(
        `write part ${PartNumber} of ${this.#requests.nameOf(this.#key)}`,
        this.#signal,
        async ({ client, sdk, options }) =>
          (await client.send(new sdk.UploadPartCommand(input), options)).ETag,
      );
      this.#sent?.(data);
      return etag;
    });
  }

  /** Lets the server copy bytes of another object into the next part. @param range first and last byte */
  async copy(source: string, range: readonly [first: number, last: number]): Promise<void> {
    await this.#start(async (PartNumber) => {
      const input = {
        ...this.#target(),
        PartNumber,
        CopySource: source,
        CopySourceRange: `bytes=${range[0]}-${range[1]}`,
      };
      return await this.#connection.ask(
        `copy part ${PartNumber} of ${this.#requests.nameOf(this.#key)}`,
        this.#signal,
        async ({ client, sdk, options }) =>
          (await client.send(new sdk.UploadPartCopyCommand(input), options)).CopyPartResult?.ETag,
      );
    });
  }

  /** Makes an object of the parts. @param size in bytes, which the object must have */
  async complete(size: number): Promise<void> {
    const Parts = await Promise.all(this.#parts);
    const input = { ...this.#target(), MultipartUpload: { Parts } };
    const what = `write ${this.#requests.nameOf(this.#key)}`;
    await this.#connection.ask(what, this.#signal, async ({ client, sdk, options, uncertain }) => {
      try {
        await client.send(new sdk.CompleteMultipartUploadCommand(input), options);
      } catch (error) {
        // Completed by an earlier attempt whose answer was lost: then the object is there, which is looked at next.
        if (!uncertain || failureOf(error).code !== "NoSuchUpload") throw error;
      }
    });
    await requireSize(this.#requests, this.#key, size, this.#signal);
  }

  /** Gives the upload up, with whatever is under way; one that is not there any more is no error. */
  async abort(): Promise<void> {
    this.#givenUp.abort(new AppError("interrupted", `write ${this.#requests.nameOf(this.#key)}: given up`));
    await Promise.allSettled(this.#parts);
    await abortUpload(this.#connection, this.#requests, this.#key, this.#id, new AbortController().signal);
  }

  #target(): { readonly Bucket: string; readonly Key: string; readonly UploadId: string } {
    return { Bucket: this.#connection.place.bucket, Key: this.#key, UploadId: this.#id };
  }

  async #start(send: (number: number) => Promise<string | undefined>): Promise<void> {
    await this.#inFlight.room();
    this.#signal.throwIfAborted();
    // The first failure ends the upload: no further part is sent.
    if (this.#failed !== undefined) throw this.#failed.error;
    const PartNumber = this.#parts.length + 1;
    const part = this.#inFlight.start(async () => ({ PartNumber, ETag: await send(PartNumber) }));
    part.catch((error: unknown) => {
      this.#failed ??= { error };
    });
    this.#parts.push(part);
  }
}

/** Fails unless the object is there in this size. */
export async function requireSize(
  requests: Requests,
  key: string,
  size: number,
  signal: AbortSignal,
): Promise<void> {
  const found = await requests.head(key, signal);
  if (found?.size === size) return;
  const state = found === undefined ? "is not there" : `has ${found.size} bytes instead of ${size}`;
  throw new AppError("repository_unusable", `write ${requests.nameOf(key)}: afterwards it ${state}`, {
    hint: "the object store did not keep what it confirmed: look at its own state",
  });
}

/** Removes an upload that was never completed. */
export async function abortUpload(
  connection: Connection,
  requests: Requests,
  key: string,
  id: string,
  signal: AbortSignal,
): Promise<void> {
  const input = { Bucket: connection.place.bucket, Key: key, UploadId: id };
  try {
    await connection.ask(
      `give up ${requests.nameOf(key)}`,
      signal,
      ({ client, sdk, options }) => client.send(new sdk.AbortMultipartUploadCommand(input), options),
      ABORT_PATIENCE_MS,
    );
  } catch (error) {
    if (!isAppError(error, "object_missing")) throw error;
  }
}
