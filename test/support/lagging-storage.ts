import type { Storage, StoredObject } from "../../src/storage/storage.ts";

/** When an object came or went, and what it was before it went. */
interface Change {
  readonly at: number;
  readonly gone: StoredObject | undefined;
}

/** New objects are missing in listings, deleted ones still there. Reading a single object is never late. */
export interface Lateness {
  readonly operations: number;
  /** Of which keys the listings are late; default: all. */
  readonly keys?: (key: string) => boolean;
}

/** The same storage, whose listings show what there was so many operations ago. */
export function lagging(storage: Storage, { operations, keys = () => true }: Lateness): Storage {
  let now = 0;
  const changes = new Map<string, Change>();
  const tick = (): void => {
    now += 1;
    for (const [key, { at }] of changes) if (now - at > operations) changes.delete(key);
  };
  const made = async (key: string, work: () => Promise<boolean>): Promise<boolean> => {
    tick();
    const isNew = (await storage.stat(key, new AbortController().signal)) === undefined;
    const done = await work();
    if (done && isNew && keys(key)) changes.set(key, { at: now, gone: undefined });
    return done;
  };
  const shown = async function* (
    prefix: string,
    depth: "all" | "here",
    signal: AbortSignal,
  ): AsyncGenerator<StoredObject> {
    tick();
    for await (const object of storage.list(prefix, depth, signal)) {
      if (!changes.has(object.key)) yield object;
    }
    for (const [key, { gone }] of changes) {
      const inside = key.startsWith(prefix) && (depth === "all" || !key.slice(prefix.length).includes("/"));
      if (gone !== undefined && inside) yield gone;
    }
  };
  return {
    ...storage,
    async stage(key, signal) {
      tick();
      const staged = await storage.stage(key, signal);
      return {
        expect: (bytes) => staged.expect(bytes),
        write: (chunk) => staged.write(chunk),
        finish: () => staged.finish(),
        read: (readSignal) => staged.read(readSignal),
        publish: async () => {
          await made(key, async () => {
            await staged.publish();
            return true;
          });
        },
        replace: async () => {
          await made(key, async () => {
            await staged.replace();
            return true;
          });
        },
        [Symbol.asyncDispose]: () => staged[Symbol.asyncDispose](),
      };
    },
    async put(key, data, signal) {
      await made(key, async () => {
        await storage.put(key, data, signal);
        return true;
      });
    },
    putIfAbsent: (key, data, signal) => made(key, () => storage.putIfAbsent(key, data, signal)),
    async get(key, signal) {
      tick();
      return await storage.get(key, signal);
    },
    async delete(key, signal) {
      tick();
      const gone = await storage.stat(key, signal);
      await storage.delete(key, signal);
      if (gone !== undefined && keys(key)) changes.set(key, { at: now, gone });
    },
    // As of a place that lists the folders that its keys lie in.
    async sizes(wanted, signal) {
      tick();
      const asked = [...wanted];
      const found = await storage.sizes(asked, signal);
      return found.map((size, at) => {
        const change = changes.get(asked[at] ?? "");
        return change === undefined ? size : change.gone?.size;
      });
    },
    list: shown,
    keys: async (prefix, depth, signal) =>
      (await Array.fromAsync(shown(prefix, depth, signal))).map(({ key }) => key),
    async folders(prefix, signal) {
      const names = new Set<string>();
      for await (const { key } of shown(prefix, "all", signal)) {
        const [name, ...rest] = key.slice(prefix.length).split("/");
        if (name !== undefined && rest.length > 0) names.add(name);
      }
      return [...names].toSorted();
    },
  };
}
