import { Readable } from "node:stream";
import { AppError } from "../errors.ts";
import { checkKey, checkPrefix, checkSibling } from "./keys.ts";
import type { StagedObject, Storage, StoredObject } from "./storage.ts";

const PIECE = 256 * 1024;

interface Held {
  readonly data: Buffer;
  readonly modified: Date;
}

const missing = (key: string): AppError =>
  new AppError("object_missing", `read ${key}: there is no such object`);

/** A storage that forgets everything with the process; for tests and rehearsals. It has no links. */
export function memoryStorage(now: () => Date = () => new Date(0)): Storage {
  const objects = new Map<string, Held>();
  const check = (key: string, signal: AbortSignal): void => {
    checkKey(key);
    signal.throwIfAborted();
  };
  const held = (key: string): Held => {
    const found = objects.get(key);
    if (found === undefined) throw missing(key);
    return found;
  };
  const keep = (key: string, data: Uint8Array): void => {
    // A copy: the caller may go on using its buffer.
    objects.set(key, { data: Buffer.from(data), modified: now() });
  };
  const storedObject = (key: string, { data, modified }: Held): StoredObject => ({
    key,
    size: data.length,
    modified,
  });
  return {
    place: "memory",
    location: { url: "memory" },
    async stage(key, signal): Promise<StagedObject> {
      check(key, signal);
      return stageInMemory(key, signal, (data, replaces) => {
        if (!replaces && objects.has(key))
          throw new AppError("object_exists", `publish ${key}: it is there already`);
        keep(key, data);
      });
    },
    async put(key, data, signal) {
      check(key, signal);
      keep(key, data);
    },
    async putIfAbsent(key, data, signal) {
      check(key, signal);
      if (objects.has(key)) return false;
      keep(key, data);
      return true;
    },
    async get(key, signal) {
      check(key, signal);
      return Buffer.from(held(key).data);
    },
    async getMany(keys, signal) {
      signal.throwIfAborted();
      for (const key of keys) checkKey(key);
      return keys.map((key) => {
        const found = objects.get(key);
        return found === undefined ? missing(key) : Buffer.from(found.data);
      });
    },
    async open(key, signal) {
      check(key, signal);
      return readableOf(held(key).data, signal);
    },
    async stat(key, signal) {
      check(key, signal);
      const found = objects.get(key);
      return found === undefined ? undefined : storedObject(key, found);
    },
    async sizes(keys, signal) {
      signal.throwIfAborted();
      return Array.from(keys, (key) => {
        checkKey(key);
        return objects.get(key)?.data.length;
      });
    },
    async *list(prefix, depth, signal) {
      checkPrefix(prefix);
      for (const [key, object] of objects) {
        signal.throwIfAborted();
        if (!key.startsWith(prefix)) continue;
        if (depth === "all" || !key.slice(prefix.length).includes("/")) yield storedObject(key, object);
      }
    },
    async keys(prefix, depth, signal) {
      checkPrefix(prefix);
      signal.throwIfAborted();
      const under = [...objects.keys()].filter((key) => key.startsWith(prefix));
      return depth === "all" ? under : under.filter((key) => !key.slice(prefix.length).includes("/"));
    },
    async folders(prefix, signal) {
      checkPrefix(prefix);
      signal.throwIfAborted();
      const names = [...objects.keys()]
        .filter((key) => key.startsWith(prefix))
        .map((key) => key.slice(prefix.length).split("/"))
        .flatMap(([name, ...rest]) => (name === undefined || rest.length === 0 ? [] : [name]));
      return [...new Set(names)].toSorted();
    },
    async delete(key, signal) {
      check(key, signal);
      objects.delete(key);
    },
    async link(key, target, signal) {
      check(key, signal);
      if (target !== undefined) checkSibling(key, target);
      if (objects.has(key)) throw new AppError("object_exists", `link ${key}: it is an object of its own`);
      return false;
    },
    async sweep(prefix, signal) {
      checkPrefix(prefix);
      signal.throwIfAborted();
      return 0;
    },
    async strays(prefix, signal) {
      checkPrefix(prefix);
      signal.throwIfAborted();
      return 0;
    },
    async freeBytes(signal) {
      signal.throwIfAborted();
      return undefined;
    },
  };
}

function stageInMemory(
  key: string,
  signal: AbortSignal,
  publish: (data: Buffer, replaces: boolean) => void,
): StagedObject {
  const chunks: Buffer[] = [];
  let finished: Buffer | undefined;
  const whole = (): Buffer => {
    if (finished === undefined) throw new AppError("unexpected", `publish ${key}: not finished`);
    return finished;
  };
  return {
    expect: () => undefined,
    async write(chunk) {
      signal.throwIfAborted();
      if (finished !== undefined) throw new AppError("unexpected", `write ${key}: already finished`);
      chunks.push(Buffer.from(chunk));
    },
    async finish() {
      signal.throwIfAborted();
      if (finished !== undefined) throw new AppError("unexpected", `write ${key}: already finished`);
      finished = Buffer.concat(chunks);
      return finished.length;
    },
    async read(readSignal) {
      readSignal.throwIfAborted();
      return readableOf(whole(), readSignal);
    },
    async publish() {
      signal.throwIfAborted();
      publish(whole(), false);
    },
    async replace() {
      signal.throwIfAborted();
      publish(whole(), true);
    },
    async [Symbol.asyncDispose]() {
      chunks.length = 0;
    },
  };
}

/** In pieces, as real storages give it, so that a reader can be stopped half-way. */
function readableOf(data: Buffer, signal: AbortSignal): Readable {
  function* pieces(): Generator<Buffer> {
    for (let offset = 0; offset < data.length; offset += PIECE) {
      signal.throwIfAborted();
      yield data.subarray(offset, offset + PIECE);
    }
  }
  return Readable.from(pieces(), { objectMode: false });
}
