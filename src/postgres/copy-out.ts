import type { Connection, Submittable } from "pg";
import { ReadSocket } from "./read-socket.ts";

/** What the driver calls of a query that is sent by `client.query` (pg, `lib/client.js`). */
interface DriverQuery extends Submittable {
  handleError(error: unknown): void;
  handleCommandComplete(): void;
  handleReadyForQuery(): void;
}

// Message types of the protocol (PostgreSQL manual, "Message Formats").
const COPY_DATA = 0x64;
const COPY_OUT_RESPONSE = 0x48;
const NOTICE = 0x4e;
const PARAMETER_STATUS = 0x53;
const NOTIFICATION = 0x41;
/** Those of a COPY, and those that may come at any time; what these say is of no use here. */
const OURS = [COPY_DATA, COPY_OUT_RESPONSE, NOTICE, PARAMETER_STATUS, NOTIFICATION];
/** The length counts itself and what follows it; before it comes the type, one byte. */
const LENGTH_BYTES = 4;
const HEADER_BYTES = 1 + LENGTH_BYTES;

type Take = (text: Buffer) => void | Promise<void>;

/**
 * A `COPY … TO STDOUT` for `client.query`. The server sends a message for each row; their heads are taken out within the
 * chunk that the socket gave, so that a row costs no object and `take` gets some 64 KiB at once. Everything that is not
 * part of the copying is left to the driver. A chunk's memory is used again once `take` is done with it.
 */
export class CopyOut implements DriverQuery {
  /** Settled when the server is ready for the next statement, with its error, or with what `take` threw. */
  readonly done: Promise<void>;
  readonly #sql: string;
  readonly #take: Take;
  readonly #settle = Promise.withResolvers<void>();
  readonly #strip = new HeadStripper();
  #stream: Connection["stream"] | undefined;
  #driver: ((chunk: Buffer) => void) | undefined;

  constructor(sql: string, take: Take) {
    this.#sql = sql;
    this.#take = take;
    this.done = this.#settle.promise;
  }

  submit(connection: Connection): void {
    const { stream } = connection;
    const listeners = stream.listeners("data") as ((chunk: Buffer) => void)[];
    const [driver] = listeners;
    if (driver === undefined || listeners.length > 1)
      throw new Error("copy out: something else listens to the connection");
    this.#driver = driver;
    this.#stream = stream;
    stream.off("data", driver);
    // With TLS the driver's stream is around the socket.
    if (stream instanceof ReadSocket) stream.takeReads(this.#onData);
    else stream.on("data", this.#onData);
    connection.query(this.#sql);
  }

  handleError(error: unknown): void {
    this.#giveBack();
    this.#settle.reject(error);
  }

  handleCommandComplete(): void {}

  handleReadyForQuery(): void {
    this.#settle.resolve();
  }

  readonly #onData = (chunk: Buffer): void => {
    const { text, rest } = this.#strip.read(chunk);
    try {
      const taken = text.length === 0 ? undefined : this.#take(text);
      if (taken === undefined) {
        this.#goOn(rest);
        return;
      }
      this.#stream?.pause();
      taken.then(
        () => {
          this.#goOn(rest);
          this.#stream?.resume();
        },
        (error: unknown) => this.#fail(error),
      );
    } catch (error) {
      this.#fail(error);
    }
  };

  /** @param rest what is the driver's again; undefined while the copying goes on */
  #goOn(rest: Buffer | undefined): void {
    if (rest === undefined) return;
    const driver = this.#giveBack();
    // It keeps what is not a whole message yet.
    driver?.(Buffer.from(rest));
  }

  /** Nobody wants the rest of the text, and there is no other way to the end of it. */
  #fail(error: unknown): void {
    this.#settle.reject(error);
    const stream = this.#stream;
    this.#giveBack();
    stream?.destroy();
  }

  #giveBack(): ((chunk: Buffer) => void) | undefined {
    const driver = this.#driver;
    if (driver === undefined) return undefined;
    this.#driver = undefined;
    const stream = this.#stream;
    if (stream instanceof ReadSocket) stream.takeReads(undefined);
    else stream?.off("data", this.#onData);
    stream?.on("data", driver);
    return driver;
  }
}

interface Stripped {
  readonly text: Buffer;
  /** The first message that is not part of the copying and what follows it; undefined while there was none. */
  readonly rest: Buffer | undefined;
}

/** Finds the text in the messages of a COPY, which come in chunks cut anywhere. */
export class HeadStripper {
  /** Of a head that the last chunk ended in. */
  readonly #head = Buffer.alloc(HEADER_BYTES);
  #headBytes = 0;
  /** Bytes still to come of the message under way, and whether they are text. */
  #left = 0;
  #isText = false;

  /** Moves the text of a chunk together at its beginning. */
  read(chunk: Buffer): Stripped {
    const { length } = chunk;
    let at = Math.min(this.#left, length);
    let end = this.#isText ? at : 0;
    this.#left -= at;
    while (at < length) {
      const from = at;
      if (this.#headBytes === 0 && length - at >= HEADER_BYTES) {
        // Nearly always: a row whose head is in one piece. This loop runs once a row.
        if (chunk[at] === COPY_DATA) {
          const size = chunk.readInt32BE(at + 1) - LENGTH_BYTES;
          at += HEADER_BYTES;
          const take = Math.min(size, length - at);
          chunk.copyWithin(end, at, at + take);
          end += take;
          at += take;
          this.#left = size - take;
          this.#isText = true;
          continue;
        }
      }
      at = this.#readHead(chunk, at);
      if (this.#headBytes < HEADER_BYTES) break;
      if (!this.#begin()) {
        // The part of the head that an earlier chunk had is put before it again.
        const before = this.#head.subarray(0, HEADER_BYTES - (at - from));
        return { text: chunk.subarray(0, end), rest: Buffer.concat([before, chunk.subarray(from)]) };
      }
      const take = Math.min(this.#left, length - at);
      if (this.#isText) {
        chunk.copyWithin(end, at, at + take);
        end += take;
      }
      at += take;
      this.#left -= take;
    }
    return { text: chunk.subarray(0, end), rest: undefined };
  }

  #readHead(chunk: Buffer, from: number): number {
    const missing = Math.min(HEADER_BYTES - this.#headBytes, chunk.length - from);
    chunk.copy(this.#head, this.#headBytes, from, from + missing);
    this.#headBytes += missing;
    return from + missing;
  }

  /** Begins the message whose head is complete; false when it is not part of the copying. */
  #begin(): boolean {
    const type = this.#head[0] ?? 0;
    if (!OURS.includes(type)) return false;
    this.#isText = type === COPY_DATA;
    this.#left = this.#head.readInt32BE(1) - LENGTH_BYTES;
    this.#headBytes = 0;
    return true;
  }
}
