import type { Observer } from "../lib/runtime.ts";
import type { StagedObject, Storage, StoredObject } from "./storage.ts";

/** The same storage, telling the observer before and after each operation: `storage put data/lease.1.json`. */
export function observed(storage: Storage, observer: Observer): Storage {
  const around = async <T>(operation: string, work: () => Promise<T>): Promise<T> => {
    observer("before", `storage ${operation}`);
    const result = await work();
    observer("after", `storage ${operation}`);
    return result;
  };
  return {
    place: storage.place,
    location: storage.location,
    asOf: storage.asOf,
    locks: storage.locks,
    protection: storage.protection,
    stage: (key, signal) =>
      around(`stage ${key}`, async () => observedStage(await storage.stage(key, signal), key, around)),
    put: (key, data, signal) => around(`put ${key}`, () => storage.put(key, data, signal)),
    putIfAbsent: (key, data, signal) =>
      around(`put new ${key}`, () => storage.putIfAbsent(key, data, signal)),
    get: (key, signal) => around(`get ${key}`, () => storage.get(key, signal)),
    getMany: (keys, signal) => around("get many", () => storage.getMany(keys, signal)),
    open: (key, signal) => around(`open ${key}`, () => storage.open(key, signal)),
    stat: (key, signal) => around(`stat ${key}`, () => storage.stat(key, signal)),
    sizes: (keys, signal) => around("look at many", () => storage.sizes(keys, signal)),
    list: (prefix, depth, signal) => observedList(storage, prefix, depth, observer, signal),
    keys: (prefix, depth, signal) => around(`list keys ${prefix}`, () => storage.keys(prefix, depth, signal)),
    folders: (prefix, signal) => around(`list folders ${prefix}`, () => storage.folders(prefix, signal)),
    delete: (key, signal) => around(`delete ${key}`, () => storage.delete(key, signal)),
    link: (key, target, signal) => around(`link ${key}`, () => storage.link(key, target, signal)),
    sweep: (prefix, signal) => around(`sweep ${prefix}`, () => storage.sweep(prefix, signal)),
    strays: (prefix, signal) => around(`look for strays ${prefix}`, () => storage.strays(prefix, signal)),
    freeBytes: (signal) => around("measure", () => storage.freeBytes(signal)),
  };
}

type Around = <T>(operation: string, work: () => Promise<T>) => Promise<T>;

function observedStage(staged: StagedObject, key: string, around: Around): StagedObject {
  let written = false;
  return {
    expect: (bytes) => staged.expect(bytes),
    async write(chunk) {
      // Only the first: a crash in a later chunk leaves nothing else behind, and there may be millions.
      if (written) return await staged.write(chunk);
      written = true;
      return await around(`write ${key}`, () => staged.write(chunk));
    },
    finish: () => around(`finish ${key}`, () => staged.finish()),
    read: (signal) => around(`read staged ${key}`, () => staged.read(signal)),
    publish: () => around(`publish ${key}`, () => staged.publish()),
    replace: () => around(`replace ${key}`, () => staged.replace()),
    [Symbol.asyncDispose]: () => staged[Symbol.asyncDispose](),
  };
}

async function* observedList(
  storage: Storage,
  prefix: string,
  depth: "all" | "here",
  observer: Observer,
  signal: AbortSignal,
): AsyncGenerator<StoredObject> {
  observer("before", `storage list ${prefix}`);
  yield* storage.list(prefix, depth, signal);
  observer("after", `storage list ${prefix}`);
}
