import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { AppError } from "../../errors.ts";
import { parseIdentity, parseRecipient, type Recipient } from "../../lib/age/keys.ts";
import { PayloadOpener, PayloadSealer } from "../../lib/age/payload.ts";
import type { SealKeys, StorageLocation } from "../../storage/location.ts";
import type { StagedObject, Storage, StoredObject } from "../../storage/storage.ts";
import { sealClassOf, shouldOpen } from "./classes.ts";
import {
  newFileKey,
  ObjectOpener,
  openWhole,
  sealedHeader,
  sealedSize,
  sealWhole,
  sizeInside,
} from "./sealed-object.ts";

/** Storage whose objects are sealed. Whoever uses it sees what is in them: bytes, sizes and all. */
interface SealedStorage extends Storage {
  /** The same place, with its objects as they lie there. */
  readonly asStored: Storage;
  /** What is in the bytes of an object as it lies there. */
  textOf(key: string, stored: Buffer): Buffer;
}

/** A place with its objects as they lie there, sealed or not: for copying them, or looking whether they changed. */
export function asStored(storage: Storage): Storage {
  return "asStored" in storage ? (storage as SealedStorage).asStored : storage;
}

/** What is in an object whose bytes were read as they lie there. Throws `backup_damaged`, `wrong_key`. */
export function textOf(storage: Storage, key: string, stored: Buffer): Buffer {
  return "textOf" in storage ? (storage as SealedStorage).textOf(key, stored) : stored;
}

/** Bytes of what is in an object that lies there with so many; negative for what no object of ours has. */
export function sizeWithin(storage: Storage, { key, size }: StoredObject): number {
  return "asStored" in storage && sealClassOf(key) !== "plain" ? sizeInside(size) : size;
}

/** Bytes that an object takes there, of those that are in it. */
export function sizeTaken(storage: Storage, key: string, inside: number): number {
  return "asStored" in storage && sealClassOf(key) !== "plain" ? sealedSize(inside) : inside;
}

/** Seals and opens what passes, as each key asks (`classes.ts`); the rest of the contract stays that of the place. */
export function sealedStorage(inner: Storage, keys: SealKeys): Storage {
  const recipients = keys.recipients.map(parseRecipient);
  const sealTo = { secret: recipients, shared: [...recipients, ...keys.hosts.map(parseRecipient)] };
  const identities = keys.identities.map(parseIdentity);
  const recipientsOf = (key: string): readonly Recipient[] | undefined => {
    const sealClass = sealClassOf(key);
    return sealClass === "plain" ? undefined : sealTo[sealClass];
  };
  const seal = (key: string, data: Uint8Array): Uint8Array => {
    const to = recipientsOf(key);
    return to === undefined ? data : sealWhole(data, to);
  };
  const ours = (key: string): boolean => shouldOpen(keys, identities, key);
  const open = (key: string, stored: Buffer): Buffer =>
    recipientsOf(key) === undefined ? stored : naming(key, () => openWhole(stored, identities), ours(key));
  const inside = (object: StoredObject): StoredObject =>
    recipientsOf(object.key) === undefined ? object : { ...object, size: sizeInside(object.size) };
  const storage: SealedStorage = {
    asStored: inner,
    textOf: open,
    place: inner.place,
    location: sealedLocation(inner.location, keys),
    others: inner.others && {
      ...inner.others,
      storages: inner.others.storages.map((other) => sealedStorage(other, keys)),
    },
    asOf: inner.asOf,
    locks: inner.locks,
    protection: inner.protection,
    async stage(key, signal) {
      const to = recipientsOf(key);
      const staged = await inner.stage(key, signal);
      return to === undefined ? staged : new SealedStage(staged, key, to);
    },
    put: (key, data, signal) => inner.put(key, seal(key, data), signal),
    putIfAbsent: (key, data, signal) => inner.putIfAbsent(key, seal(key, data), signal),
    get: async (key, signal) => open(key, await inner.get(key, signal)),
    async getMany(wanted, signal) {
      const found = await inner.getMany(wanted, signal);
      return found.map((stored, at) => {
        if (stored instanceof AppError) return stored;
        try {
          return open(wanted[at] ?? "", stored);
        } catch (error) {
          if (error instanceof AppError) return error;
          throw error;
        }
      });
    },
    async open(key, signal) {
      const stored = await inner.open(key, signal);
      return recipientsOf(key) === undefined
        ? stored
        : opened(stored, key, new ObjectOpener(identities), ours(key));
    },
    async stat(key, signal) {
      const found = await inner.stat(key, signal);
      return found === undefined ? undefined : inside(found);
    },
    async sizes(wanted, signal) {
      const sealed: boolean[] = [];
      const told = function* (): Generator<string> {
        for (const key of wanted) {
          sealed.push(recipientsOf(key) !== undefined);
          yield key;
        }
      };
      const sizes = await inner.sizes(told(), signal);
      return sizes.map((size, at) => (size !== undefined && sealed[at] === true ? sizeInside(size) : size));
    },
    async *list(prefix, depth, signal) {
      for await (const object of inner.list(prefix, depth, signal)) yield inside(object);
    },
    keys: (prefix, depth, signal) => inner.keys(prefix, depth, signal),
    folders: (prefix, signal) => inner.folders(prefix, signal),
    delete: (key, signal) => inner.delete(key, signal),
    link: (key, target, signal) => inner.link(key, target, signal),
    sweep: (prefix, signal) => inner.sweep(prefix, signal),
    strays: (prefix, signal) => inner.strays(prefix, signal),
    freeBytes: (signal) => inner.freeBytes(signal),
  };
  return storage;
}

/** The places of one database have the same keys. */
function sealedLocation(location: StorageLocation, seal: SealKeys): StorageLocation {
  const others = location.others?.map((other) => ({ ...other, seal }));
  return { ...location, seal, ...(others === undefined ? {} : { others }) };
}

class SealedStage implements StagedObject {
  readonly #inner: StagedObject;
  readonly #key: string;
  readonly #header: Buffer;
  readonly #fileKey = newFileKey();
  readonly #sealer = new PayloadSealer(this.#fileKey);
  readonly #hash = createHash("sha256");
  #memory: Buffer = Buffer.alloc(0);
  #begun = false;
  #text = 0;
  stored: { readonly size: number; readonly sha256: string } | undefined;

  constructor(inner: StagedObject, key: string, recipients: readonly Recipient[]) {
    this.#inner = inner;
    this.#key = key;
    this.#header = sealedHeader(this.#fileKey, recipients, null);
  }

  expect(bytes: number): void {
    this.#inner.expect(sealedSize(bytes));
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.#text += chunk.length;
    await this.#write(this.#sealer.update(chunk));
  }

  async finish(): Promise<number> {
    await this.#write(this.#sealer.end());
    const size = await this.#inner.finish();
    if (size !== sealedSize(this.#text)) {
      throw new AppError(
        "unexpected",
        `write ${this.#key}: ${size} bytes instead of ${sealedSize(this.#text)}`,
      );
    }
    this.stored = { size: size - this.#header.length, sha256: this.#hash.digest("hex") };
    return this.#text;
  }

  /** With the key that is still in memory: whoever writes need not be able to open what others wrote. */
  async read(signal: AbortSignal): Promise<Readable> {
    const payload = new PayloadOpener(this.#fileKey);
    let header = this.#header.length;
    return opened(await this.#inner.read(signal), this.#key, {
      update: (bytes) => {
        const skipped = Math.min(header, bytes.length);
        header -= skipped;
        return payload.update(bytes.subarray(skipped));
      },
      end: () => payload.end(),
    });
  }

  async publish(): Promise<void> {
    await this.#inner.publish();
  }

  async replace(): Promise<void> {
    await this.#inner.replace();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#inner[Symbol.asyncDispose]();
  }

  /**
   * In one piece: each call of a storage costs, and tags are small. In memory that is used again, for new memory of that
   * size costs more than the cipher.
   */
  async #write(payload: readonly Buffer[]): Promise<void> {
    for (const piece of payload) this.#hash.update(piece);
    const pieces = this.#begun ? payload : [this.#header, ...payload];
    this.#begun = true;
    const size = pieces.reduce((sum, { length }) => sum + length, 0);
    if (size === 0) return;
    if (this.#memory.length < size) this.#memory = Buffer.allocUnsafeSlow(size);
    let at = 0;
    for (const piece of pieces) at += piece.copy(this.#memory, at);
    await this.#inner.write(this.#memory.subarray(0, size));
  }
}

/**
 * The text of a stored stream.
 * @param ours whether a key that is known here should open it
 */
export function opened(
  stored: Readable,
  key: string,
  opener: Pick<ObjectOpener, "update" | "end">,
  ours = false,
): Readable {
  async function* text(): AsyncGenerator<Buffer> {
    for await (const chunk of stored as AsyncIterable<Buffer>) {
      for (const piece of naming(key, () => opener.update(chunk), ours)) yield piece;
    }
    yield naming(key, () => opener.end(), ours);
  }
  const stream = Readable.from(text(), { objectMode: false });
  // A consumer that stops half-way destroys this stream; the one below has to go with it.
  stream.once("close", () => stored.destroy());
  return stream;
}

/** Says which object it was. One that none of its own keys opens was changed. */
function naming<T>(key: string, work: () => T, ours: boolean): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    if (error.code === "wrong_key" && ours) {
      const reason = "its header was changed: none of the keys opens it that should";
      throw new AppError("backup_damaged", `open ${key}: ${reason}`, {
        cause: error,
        details: { key, reason },
      });
    }
    const reason = error.message.replace("open a sealed object: ", "");
    throw new AppError(error.code, `open ${key}: ${reason}`, {
      hint: error.hint,
      cause: error,
      details: { key, reason },
    });
  }
}
