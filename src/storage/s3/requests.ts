import { randomUUID } from "node:crypto";
import type { Readable } from "node:stream";
import { AppError, isAppError } from "../../errors.ts";
import type { Attempt, Connection } from "./connection.ts";
import { CutShort, failureOf } from "./failure.ts";

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

/** Requests about single objects of a bucket. Keys are whole: the place's prefix is part of them. */
export class Requests {
  readonly #connection: Connection;
  readonly #bucket: string;
  #bucketSeen = false;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#bucket = connection.place.bucket;
  }

  /** For messages. */
  nameOf(key: string): string {
    return `s3://${this.#bucket}/${key}`;
  }

  async put(key: string, data: Uint8Array, signal: AbortSignal): Promise<void> {
    const input = { Bucket: this.#bucket, Key: key, Body: data };
    await this.#connection.ask(`write ${this.nameOf(key)}`, signal, ({ client, sdk, options }) =>
      client.send(new sdk.PutObjectCommand(input), options),
    );
  }

  /** Writes an object unless the key is taken, in one step; says whether it was this call that made it. */
  async putNew(key: string, data: Uint8Array, signal: AbortSignal): Promise<boolean> {
    const mark = randomUUID();
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
        await client.send(new sdk.PutObjectCommand(input), options);
        return true;
      } catch (error) {
        if (failureOf(error).status !== 412) throw error;
        if (!uncertain) return false;
        // What took the key may be our own earlier attempt, whose answer was lost.
        return (await this.#markOf(key, attempt)) === mark;
      }
    });
  }

  async #markOf(key: string, { client, sdk, options }: Attempt): Promise<string | undefined> {
    const input = { Bucket: this.#bucket, Key: key };
    try {
      return (await client.send(new sdk.HeadObjectCommand(input), options)).Metadata?.[WRITE_MARK];
    } catch (error) {
      if (failureOf(error).status !== 404) throw error;
      return undefined;
    }
  }

  async get(key: string, signal: AbortSignal): Promise<Buffer> {
    return await this.#connection.ask(
      `read ${this.nameOf(key)}`,
      signal,
      async ({ client, sdk, options }) => {
        const input = { Bucket: this.#bucket, Key: key };
        const { Body, ContentLength } = await client.send(new sdk.GetObjectCommand(input), options);
        const chunks: Buffer[] = [];
        for await (const chunk of Body as Readable as AsyncIterable<Buffer>) chunks.push(chunk);
        const data = Buffer.concat(chunks);
        if (data.length === ContentLength) return data;
        throw new CutShort(`${data.length} bytes came, ${ContentLength} were announced`);
      },
    );
  }

  /** Opens an object from a byte on. @param etag what it must still be, when a part of it was read before */
  async open(key: string, from: number, etag: string | undefined, signal: AbortSignal): Promise<Opened> {
    const what = `read ${this.nameOf(key)}`;
    return await this.#connection.ask(what, signal, async ({ client, sdk, options }) => {
      const { Body, ContentLength, ContentRange, ETag } = await client.send(
        new sdk.GetObjectCommand({
          Bucket: this.#bucket,
          Key: key,
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
    const input = { Bucket: this.#bucket, Key: key };
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
