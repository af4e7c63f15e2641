import { randomUUID } from "node:crypto";
import type { Readable } from "node:stream";
import { AppError, isAppError } from "../../errors.ts";
import type { Attempt, Connection } from "./connection.ts";
import { CutShort, failureOf } from "./failure.ts";
import { lockRefused, type Retention } from "./retention.ts";
import { temporaryKey } from "./temporary-keys.ts";

// Which of several writes of the same bytes made an object. A server keeps it with the object.
const WRITE_MARK = "handled-write";

/** An object as its headers describe it. */
export interface Head {
  readonly size: number;
  readonly modified: Date;
}

/** An answer whose body is still to be read. */
export interface Opened {
  readonly body: Readable;
  /** Of the whole object. */
  readonly size: number;
  readonly etag: string | undefined;
}

/** Whether a write made an object, and its version where the bucket keeps those. */
interface Made {
  readonly made: boolean;
  readonly version: string | undefined;
}

/** Requests about single objects of a bucket. Keys are whole: the place's prefix is part of them. */
export class Requests {
  readonly #connection: Connection;
  readonly #bucket: string;
  readonly retention: Retention;
  /** Whether the server was seen to refuse a key that is taken, in a bucket that keeps versions; undefined: nobody tried. */
  refusesTaken: boolean | undefined;
  #bucketSeen = false;

  constructor(connection: Connection, retention: Retention) {
    this.#connection = connection;
    this.retention = retention;
    this.#bucket = connection.place.bucket;
  }

  /** For messages. */
  nameOf(key: string): string {
    return `s3://${this.#bucket}/${key}`;
  }

  async put(key: string, data: Uint8Array, signal: AbortSignal): Promise<void> {
    await this.#lockable(() =>
      this.#connection.ask(`write ${this.nameOf(key)}`, signal, (attempt) => {
        const { client, sdk, options } = attempt;
        const lock = this.retention.ofWrite(key, data, attempt);
        const input = { Bucket: this.#bucket, Key: key, Body: data, ...lock };
        return client.send(new sdk.PutObjectCommand(input), options);
      }),
    );
    await this.retention.confirm(key, { sure: true }, signal);
  }

  /** Writes an object that nobody locks; gives its version where the bucket keeps those. */
  async putUnlocked(
    key: string,
    data: Uint8Array,
    mark: string,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const input = { Bucket: this.#bucket, Key: key, Body: data, Metadata: { [WRITE_MARK]: mark } };
    return await this.#connection.ask(
      `write ${this.nameOf(key)}`,
      signal,
      async ({ client, sdk, options }) =>
        (await client.send(new sdk.PutObjectCommand(input), options)).VersionId,
    );
  }

  /** Writes an object unless the key is taken, in one step; says whether it was this call that made it. */
  async putNew(key: string, data: Uint8Array, signal: AbortSignal): Promise<boolean> {
    if (this.refusesTaken !== true && (await this.head(key, signal)) !== undefined) return false;
    const lock = (attempt: Attempt): object => this.retention.ofWrite(key, data, attempt);
    const { made, version } = await this.#lockable(() => this.#putNew(key, data, randomUUID(), lock, signal));
    if (made) await this.retention.confirm(key, { sure: true }, signal);
    // Without versions servers know the condition, as far as they know it at all.
    if (made) this.refusesTaken ??= version === undefined || (await this.#tryTaken(signal));
    return made;
  }

  /** Whether the server refuses a key that is taken, tried with one of its own. */
  async #tryTaken(signal: AbortSignal): Promise<boolean> {
    const key = this.#connection.place.prefix + temporaryKey("probe");
    const tries: Made[] = [];
    for (let n = 0; n < 2; n++) {
      tries.push(await this.#putNew(key, Buffer.alloc(0), randomUUID(), () => ({}), signal));
    }
    // Not its version: keys that may not remove those are the ones to be had in mind here.
    await this.delete(key, signal);
    return tries.at(-1)?.made === false;
  }

  /** The same for an object that is not locked yet; tells its version where the bucket keeps those. */
  async putNewUnlocked(key: string, data: Uint8Array, mark: string, signal: AbortSignal): Promise<Made> {
    return await this.#putNew(key, data, mark, () => ({}), signal);
  }

  async #putNew(
    key: string,
    data: Uint8Array,
    mark: string,
    lock: (attempt: Attempt) => object,
    signal: AbortSignal,
  ): Promise<Made> {
    const input = {
      Bucket: this.#bucket,
      Key: key,
      Body: data,
      IfNoneMatch: "*",
      Metadata: { [WRITE_MARK]: mark },
    };
    return await this.#connection.ask(`write ${this.nameOf(key)}`, signal, async (attempt) => {
      const { client, sdk, options, uncertain } = attempt;
      try {
        const command = new sdk.PutObjectCommand({ ...input, ...lock(attempt) });
        const { VersionId } = await client.send(command, options);
        return { made: true, version: VersionId };
      } catch (error) {
        if (failureOf(error).status !== 412) throw error;
        if (!uncertain) return { made: false, version: undefined };
        // What took the key may be our own earlier attempt, whose answer was lost.
        return { made: (await this.#markOf(key, attempt)) === mark, version: undefined };
      }
    });
  }

  /** A bucket without object lock says so in its own way. */
  async #lockable<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw lockRefused(error, this.#bucket);
    }
  }

  /** The mark that the write of an object, or of one of its versions, carried. */
  async markOf(key: string, version: string | undefined, signal: AbortSignal): Promise<string | undefined> {
    return await this.#connection.ask(`look at ${this.nameOf(key)}`, signal, (attempt) =>
      this.#markOf(key, attempt, version),
    );
  }

  async #markOf(
    key: string,
    { client, sdk, options }: Attempt,
    version?: string,
  ): Promise<string | undefined> {
    const input = {
      Bucket: this.#bucket,
      Key: key,
      ...ofVersion(version),
    };
    try {
      return (await client.send(new sdk.HeadObjectCommand(input), options)).Metadata?.[WRITE_MARK];
    } catch (error) {
      if (failureOf(error).status !== 404) throw error;
      return undefined;
    }
  }

  /** @param version where not the newest is meant */
  async get(key: string, signal: AbortSignal, version?: string): Promise<Buffer> {
    return await this.#connection.ask(
      `read ${this.nameOf(key)}`,
      signal,
      async ({ client, sdk, options }) => {
        const input = { Bucket: this.#bucket, Key: key, ...ofVersion(version) };
        const { Body, ContentLength } = await client.send(new sdk.GetObjectCommand(input), options);
        const chunks: Buffer[] = [];
        for await (const chunk of Body as Readable as AsyncIterable<Buffer>) chunks.push(chunk);
        const data = Buffer.concat(chunks);
        if (data.length === ContentLength) return data;
        throw new CutShort(`${data.length} bytes came, ${ContentLength} were announced`);
      },
    );
  }

  /**
   * Opens an object from a byte on.
   * @param etag what it must still be, when a part of it was read before
   * @param version where not the newest is meant
   */
  async open(
    key: string,
    from: number,
    { etag, version }: { readonly etag?: string | undefined; readonly version?: string | undefined },
    signal: AbortSignal,
  ): Promise<Opened> {
    const what = `read ${this.nameOf(key)}`;
    return await this.#connection.ask(what, signal, async ({ client, sdk, options }) => {
      const { Body, ContentLength, ContentRange, ETag } = await client.send(
        new sdk.GetObjectCommand({
          Bucket: this.#bucket,
          Key: key,
          ...ofVersion(version),
          ...(from === 0 ? {} : { Range: `bytes=${from}-` }),
          ...(etag === undefined ? {} : { IfMatch: etag }),
        }),
        options,
      );
      const body = Body as Readable;
      if (
        ContentLength !== undefined &&
        (from === 0 || ContentRange?.startsWith(`bytes ${from}-`) === true)
      ) {
        return { body, size: from + ContentLength, etag: ETag };
      }
      body.destroy();
      throw new AppError("repository_unusable", `${what}: the server does not say what it sends`, {
        hint: "it has to know ranges and lengths; a proxy in between may take them away",
      });
    });
  }

  /** Undefined when there is no such object. */
  async head(key: string, signal: AbortSignal): Promise<Head | undefined> {
    const what = `look at ${this.nameOf(key)}`;
    try {
      return await this.#connection.ask(what, signal, async ({ client, sdk, options }) => {
        const input = { Bucket: this.#bucket, Key: key };
        const { ContentLength, LastModified } = await client.send(new sdk.HeadObjectCommand(input), options);
        return { size: ContentLength ?? 0, modified: LastModified ?? new Date(0) };
      });
    } catch (error) {
      if (!isAppError(error, "object_missing")) throw error;
      await this.#requireBucket(signal);
      return undefined;
    }
  }

  async delete(key: string, signal: AbortSignal, patienceMs?: number): Promise<void> {
    await this.deleteVersion(key, undefined, signal, patienceMs);
  }

  /** Where the bucket keeps versions, deletes one for good; undefined hides all of them. */
  async deleteVersion(
    key: string,
    version: string | undefined,
    signal: AbortSignal,
    patienceMs?: number,
  ): Promise<void> {
    const input = {
      Bucket: this.#bucket,
      Key: key,
      ...ofVersion(version),
    };
    const what = `delete ${this.nameOf(key)}`;
    try {
      await this.#connection.ask(
        what,
        signal,
        ({ client, sdk, options }) => client.send(new sdk.DeleteObjectCommand(input), options),
        patienceMs,
      );
    } catch (error) {
      if (!isAppError(error, "object_missing")) throw error;
    }
  }

  /** An answer to HEAD has no body, so it does not say whether the object is missing or all of the bucket. */
  async #requireBucket(signal: AbortSignal): Promise<void> {
    if (this.#bucketSeen) return;
    const input = { Bucket: this.#bucket, MaxKeys: 1 };
    await this.#connection.ask(`look at s3://${this.#bucket}`, signal, ({ client, sdk, options }) =>
      client.send(new sdk.ListObjectsV2Command(input), options),
    );
    this.#bucketSeen = true;
  }
}

function ofVersion(version: string | undefined): { readonly VersionId?: string } {
  return version === undefined ? {} : { VersionId: version };
}
