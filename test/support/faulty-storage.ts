import { Readable } from "node:stream";
import { setTimeout } from "node:timers/promises";
import { AppError, isAppError } from "../../src/errors.ts";
import { lagging, type Lateness } from "./lagging-storage.ts";
import type { StagedObject, Storage, StoredObject } from "../../src/storage/storage.ts";

/** One moment of a storage's life: just before or just after an operation took effect. */
interface StoragePoint {
  /** Counts all moments, from 1. */
  readonly number: number;
  readonly phase: "before" | "after";
  /** Name of the contract's method; those of a staged object are `write`, `finish`, `read`, `publish`, `replace`, `dispose`. */
  readonly operation: string;
  readonly key: string;
}

export interface Faults {
  /** The error to throw at this moment; undefined lets it pass. */
  readonly at?: (point: StoragePoint) => Error | undefined;
  /** `open` and staged `read` end, without an error, after this many bytes. */
  readonly cutReadsAt?: number;
  /** Every operation takes so many milliseconds longer. */
  readonly slowMs?: number;
  /** Listings show what there was so many operations ago. */
  readonly late?: Lateness;
}

/** The same storage, failing where it is told to. */
export function faulty(inner: Storage, faults: Faults): Storage {
  const storage = faults.late === undefined ? inner : lagging(inner, faults.late);
  let number = 0;
  const pass = (phase: StoragePoint["phase"], operation: string, key: string): void => {
    number += 1;
    const error = faults.at?.({ number, phase, operation, key });
    if (error !== undefined) throw error;
  };
  const around: Around = async (operation, key, work) => {
    if (faults.slowMs !== undefined) await setTimeout(faults.slowMs);
    pass("before", operation, key);
    const result = await work();
    pass("after", operation, key);
    return result;
  };
  const cut = (stream: Readable): Readable =>
    faults.cutReadsAt === undefined ? stream : cutShort(stream, faults.cutReadsAt);
  return {
    place: storage.place,
    location: storage.location,
    stage: async (key, signal) => {
      pass("before", "stage", key);
      const staged = await storage.stage(key, signal);
      try {
        pass("after", "stage", key);
      } catch (error) {
        await abandon(staged);
        throw error;
      }
      return faultyStage(staged, key, around, cut);
    },
    put: (key, data, signal) => around("put", key, () => storage.put(key, data, signal)),
    putIfAbsent: (key, data, signal) =>
      around("putIfAbsent", key, () => storage.putIfAbsent(key, data, signal)),
    get: (key, signal) => around("get", key, () => storage.get(key, signal)),
    // One by one, so that each can be hit.
    getMany: async (keys, signal) => {
      const found: (Buffer | AppError)[] = [];
      for (const key of keys) {
        found.push(await around("get", key, () => storage.get(key, signal)).catch(unlessAppError));
      }
      return found;
    },
    open: (key, signal) => around("open", key, async () => cut(await storage.open(key, signal))),
    stat: (key, signal) => around("stat", key, () => storage.stat(key, signal)),
    sizes: (keys, signal) => around("sizes", "", () => storage.sizes(keys, signal)),
    async *list(prefix, depth, signal): AsyncGenerator<StoredObject> {
      pass("before", "list", prefix);
      yield* storage.list(prefix, depth, signal);
      pass("after", "list", prefix);
    },
    keys: (prefix, depth, signal) => around("keys", prefix, () => storage.keys(prefix, depth, signal)),
    folders: (prefix, signal) => around("folders", prefix, () => storage.folders(prefix, signal)),
    delete: (key, signal) => around("delete", key, () => storage.delete(key, signal)),
    link: (key, target, signal) => around("link", key, () => storage.link(key, target, signal)),
    sweep: (prefix, signal) => around("sweep", prefix, () => storage.sweep(prefix, signal)),
    strays: (prefix, signal) => around("strays", prefix, () => storage.strays(prefix, signal)),
    freeBytes: (signal) => around("freeBytes", "", () => storage.freeBytes(signal)),
  };
}

const CHANGES = /^(stage|write|finish|publish|replace|dispose|put|putIfAbsent|delete|link|sweep)$/;

/**
 * What a killed process looks like from its storage: just before its change of this number, from 1, and from then on nothing
 * takes effect any more. Reads leave no other state behind than the change before them, so they are no moments of their own.
 */
export function dyingAt(change: number): Faults & { readonly died: () => boolean } {
  let changes = 0;
  let dead = false;
  return {
    died: () => dead,
    at: ({ phase, operation }) => {
      if (phase === "before" && CHANGES.test(operation)) changes += 1;
      dead ||= changes >= change;
      return dead ? new Error("killed") : undefined;
    },
  };
}

export function diskFull(): AppError {
  return new AppError("space_missing", "write: no space left on the device");
}

/** What stands in the place of an object that cannot be read; anything else is a failure of all. */
function unlessAppError(error: unknown): AppError {
  if (error instanceof AppError) return error;
  throw error;
}

type Around = <T>(operation: string, key: string, work: () => Promise<T>) => Promise<T>;

function faultyStage(
  staged: StagedObject,
  key: string,
  around: Around,
  cut: (stream: Readable) => Readable,
): StagedObject {
  return {
    expect: (bytes) => staged.expect(bytes),
    write: (chunk) => around("write", key, () => staged.write(chunk)),
    finish: () => around("finish", key, () => staged.finish()),
    read: (signal) => around("read", key, async () => cut(await staged.read(signal))),
    publish: () => around("publish", key, () => staged.publish()),
    replace: () => around("replace", key, () => staged.replace()),
    [Symbol.asyncDispose]: async () => {
      try {
        await around("dispose", key, async () => await staged[Symbol.asyncDispose]());
      } catch (error) {
        await abandon(staged);
        throw error;
      }
    },
  };
}

/** What the death of a process does to its open files: they are closed, and what was written stays. */
async function abandon(staged: StagedObject): Promise<void> {
  try {
    await staged.finish();
  } catch (error) {
    // Finished before it was abandoned: closed already.
    if (!isAppError(error, "unexpected")) throw error;
  }
}

function cutShort(stream: Readable, limit: number): Readable {
  async function* first(): AsyncGenerator<Buffer> {
    let left = limit;
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      yield chunk.subarray(0, left);
      left -= chunk.length;
      if (left <= 0) return;
    }
  }
  return Readable.from(first(), { objectMode: false });
}
