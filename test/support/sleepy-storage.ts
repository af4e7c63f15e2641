import type { Storage } from "../../src/storage/storage.ts";

/** A storage whose user is stopped at one moment (a laptop put to sleep) until it is woken. */
interface Sleepy {
  readonly storage: Storage;
  /** Resolves when that moment is reached. */
  readonly fellAsleep: Promise<void>;
  readonly wake: () => void;
}

/** @param moment counts the operations' beginnings and ends from 1, as `faulty` does; null: it never sleeps */
export function sleepy(storage: Storage, moment: number | null): Sleepy {
  const asleep = Promise.withResolvers<void>();
  const awake = Promise.withResolvers<void>();
  let number = 0;
  const pass = async (): Promise<void> => {
    number += 1;
    if (number !== moment) return;
    asleep.resolve();
    await awake.promise;
  };
  const around = async <T>(work: () => Promise<T>): Promise<T> => {
    await pass();
    const result = await work();
    await pass();
    return result;
  };
  return {
    fellAsleep: asleep.promise,
    wake: () => awake.resolve(),
    storage: {
      place: storage.place,
      location: storage.location,
      async stage(key, signal) {
        const staged = await around(() => storage.stage(key, signal));
        return {
          expect: (bytes) => staged.expect(bytes),
          write: (chunk) => around(() => staged.write(chunk)),
          finish: () => around(() => staged.finish()),
          read: (readSignal) => around(() => staged.read(readSignal)),
          publish: () => around(() => staged.publish()),
          replace: () => around(() => staged.replace()),
          [Symbol.asyncDispose]: () => staged[Symbol.asyncDispose](),
        };
      },
      put: (key, data, signal) => around(() => storage.put(key, data, signal)),
      putIfAbsent: (key, data, signal) => around(() => storage.putIfAbsent(key, data, signal)),
      get: (key, signal) => around(() => storage.get(key, signal)),
      // As many moments as there are objects.
      getMany: async (keys, signal) => {
        const found: Awaited<ReturnType<Storage["getMany"]>> = [];
        for (const key of keys) found.push(...(await around(() => storage.getMany([key], signal))));
        return found;
      },
      open: (key, signal) => around(() => storage.open(key, signal)),
      stat: (key, signal) => around(() => storage.stat(key, signal)),
      sizes: (keys, signal) => around(() => storage.sizes(keys, signal)),
      async *list(prefix, depth, signal) {
        await pass();
        yield* storage.list(prefix, depth, signal);
        await pass();
      },
      keys: (prefix, depth, signal) => around(() => storage.keys(prefix, depth, signal)),
      folders: (prefix, signal) => around(() => storage.folders(prefix, signal)),
      delete: (key, signal) => around(() => storage.delete(key, signal)),
      link: (key, target, signal) => around(() => storage.link(key, target, signal)),
      sweep: (prefix, signal) => around(() => storage.sweep(prefix, signal)),
      strays: (prefix, signal) => around(() => storage.strays(prefix, signal)),
      freeBytes: (signal) => around(() => storage.freeBytes(signal)),
    },
  };
}
