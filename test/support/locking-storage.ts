import type { ObjectLocks } from "../../src/storage/locks.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { isTransientKey } from "../../src/storage/transient-keys.ts";

export interface LockingStorage extends Storage {
  readonly locks: ObjectLocks;
  /** How many objects were locked anew. */
  extensions: number;
  /** How often somebody asked how long an object is locked. */
  looks: number;
  /** What was deleted though it was locked. */
  readonly violations: readonly string[];
  /** Until when each object is locked, in milliseconds. */
  readonly until: ReadonlyMap<string, number>;
}

/** The same storage, which locks what is written as a bucket does. */
export function lockingStorage(storage: Storage, now: () => Date, windowMs: number): LockingStorage {
  const until = new Map<string, number>();
  const violations: string[] = [];
  const lock = (key: string): void => {
    if (!isTransientKey(key)) until.set(key, now().getTime() + 2 * windowMs);
  };
  const made: LockingStorage = {
    ...storage,
    extensions: 0,
    looks: 0,
    violations,
    until,
    locks: {
      windowMs,
      mode: "compliance",
      now: async () => await Promise.resolve(now()),
      lockedUntil: async (key) => {
        made.looks += 1;
        const end = until.get(key) ?? 0;
        return await Promise.resolve(end > now().getTime() ? new Date(end) : undefined);
      },
      extend: async (key, signal) => {
        if ((await storage.stat(key, signal)) === undefined) return false;
        made.extensions += 1;
        lock(key);
        return true;
      },
    },
    async put(key, data, signal) {
      await storage.put(key, data, signal);
      lock(key);
    },
    async putIfAbsent(key, data, signal) {
      const isNew = await storage.putIfAbsent(key, data, signal);
      if (isNew) lock(key);
      return isNew;
    },
    async stage(key, signal) {
      const staged = await storage.stage(key, signal);
      return {
        expect: (bytes) => staged.expect(bytes),
        write: (chunk) => staged.write(chunk),
        finish: () => staged.finish(),
        read: (readSignal) => staged.read(readSignal),
        publish: async () => {
          await staged.publish();
          lock(key);
        },
        replace: async () => {
          await staged.replace();
          lock(key);
        },
        [Symbol.asyncDispose]: () => staged[Symbol.asyncDispose](),
      };
    },
    async delete(key, signal) {
      // An index goes only after a void one took its place, which is new and so is locked itself.
      if (!key.endsWith("/index") && (until.get(key) ?? 0) > now().getTime()) violations.push(key);
      await storage.delete(key, signal);
      until.delete(key);
    },
  };
  return made;
}
