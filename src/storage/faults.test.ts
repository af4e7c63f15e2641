import { randomBytes } from "node:crypto";
import { describe, expect, test } from "vitest";
import { faulty, type Faults } from "../../test/support/faulty-storage.ts";
import { freshBucket } from "../../test/support/object-store.ts";
import { noAbort, testRuntime } from "../../test/support/runtime.ts";
import { storageContract, type StorageUnderTest } from "../../test/support/storage-contract.ts";
import { temporaryFolder } from "../../test/support/temporary-folder.ts";
import { openFilesystem } from "./filesystem.ts";
import { memoryStorage } from "./memory.ts";
import { openStorage } from "./open.ts";
import type { Storage } from "./storage.ts";

const signal = noAbort();
const nothing = async (): Promise<void> => undefined;

const PLACES: readonly { readonly name: string; readonly open: () => Promise<StorageUnderTest> }[] = [
  { name: "memory", open: async () => ({ storage: memoryStorage(), [Symbol.asyncDispose]: nothing }) },
  {
    name: "filesystem",
    open: async () => {
      const folder = await temporaryFolder();
      return {
        storage: openFilesystem(testRuntime(), folder.path),
        [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
      };
    },
  },
  {
    name: "s3",
    open: async () => ({
      storage: openStorage(testRuntime(), await freshBucket()),
      [Symbol.asyncDispose]: nothing,
    }),
  },
];

for (const { name, open } of PLACES) {
  storageContract(`slow ${name}`, async () => {
    const place = await open();
    return {
      storage: faulty(place.storage, { slowMs: 1 }),
      [Symbol.asyncDispose]: () => place[Symbol.asyncDispose](),
    };
  });
}

/** Every way to make an object of these bytes. */
const WAYS: readonly {
  readonly way: string;
  readonly make: (storage: Storage, data: Buffer) => Promise<void>;
}[] = [
  { way: "put", make: (storage, data) => storage.put("db/a", data, signal) },
  {
    way: "putIfAbsent",
    make: async (storage, data) => void (await storage.putIfAbsent("db/a", data, signal)),
  },
  {
    way: "stage",
    make: async (storage, data) => {
      await using staged = await storage.stage("db/a", signal);
      for (let at = 0; at < data.length; at += 40_000) await staged.write(data.subarray(at, at + 40_000));
      await staged.finish();
      (await staged.read(signal)).destroy();
      await staged.publish();
    },
  },
];

describe.each(PLACES)("$name that fails at any moment", ({ open }) => {
  test.each(WAYS)("holds what $way made whole or not at all, and can be written again", async ({ make }) => {
    const data = randomBytes(100_000);
    const seen = new Set<boolean>();
    for (let moment = 1, failed = true; failed; moment++) {
      await using place = await open();
      failed = await failsAt(moment, place.storage, (storage) => make(storage, data));
      const found = await place.storage.stat("db/a", signal);
      if (found !== undefined) expect((await place.storage.get("db/a", signal)).equals(data)).toBe(true);
      expect(await place.storage.keys("", "all", signal)).toEqual(found === undefined ? [] : ["db/a"]);
      seen.add(found !== undefined);
      if (found === undefined) await make(place.storage, data);
      expect((await place.storage.get("db/a", signal)).equals(data)).toBe(true);
      await place.storage.sweep("db/", signal);
      expect(await place.storage.sweep("db/", signal)).toBe(0);
    }
    expect(seen).toEqual(new Set([false, true]));
  });
});

/** Whether the work failed because an operation did: that one only, as on a network. */
async function failsAt(
  moment: number,
  storage: Storage,
  work: (storage: Storage) => Promise<void>,
): Promise<boolean> {
  const fault = new Error("no luck");
  let failed = false;
  const at: NonNullable<Faults["at"]> = ({ number }) => {
    failed ||= number === moment;
    return number === moment ? fault : undefined;
  };
  try {
    await work(faulty(storage, { at }));
  } catch (error) {
    if (error !== fault) throw error;
  }
  return failed;
}
