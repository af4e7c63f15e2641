import { randomBytes } from "node:crypto";
import type { Readable } from "node:stream";
import { describe, expect, test } from "vitest";
import type { Storage } from "../../src/storage/storage.ts";
import { noAbort } from "./runtime.ts";

export interface StorageUnderTest extends AsyncDisposable {
  readonly storage: Storage;
}

const signal = noAbort();
const bytes = (text: string): Buffer => Buffer.from(text, "utf8");

/** What every storage promises. Each test gets a new, empty one. */
export function storageContract(name: string, make: () => Promise<StorageUnderTest>): void {
  const promise = (what: string, work: (storage: Storage) => Promise<void>): void => {
    test(what, async () => {
      await using made = await make();
      await work(made.storage);
    });
  };
  describe(`${name} keeps the storage contract`, () => {
    objects(promise);
    creation(promise);
    staging(promise);
    listing(promise);
    links(promise);
    refusals(promise);
  });
}

type Promised = (what: string, work: (storage: Storage) => Promise<void>) => void;

function objects(promise: Promised): void {
  promise("gives back what was put, and its size", async (storage) => {
    await storage.put("a/b/c", bytes("hello"), signal);
    expect(await storage.get("a/b/c", signal)).toEqual(bytes("hello"));
    expect(await storage.stat("a/b/c", signal)).toMatchObject({ key: "a/b/c", size: 5 });
  });

  promise("replaces on put", async (storage) => {
    await storage.put("a", bytes("a longer first text"), signal);
    await storage.put("a", bytes("short"), signal);
    expect((await storage.get("a", signal)).toString()).toBe("short");
  });

  promise("keeps an empty object", async (storage) => {
    await storage.put("empty", bytes(""), signal);
    expect(await storage.get("empty", signal)).toHaveLength(0);
    expect(await drain(await storage.open("empty", signal))).toHaveLength(0);
    expect(await storage.stat("empty", signal)).toMatchObject({ size: 0 });
  });

  promise("does not see later changes of the caller's buffer", async (storage) => {
    const data = bytes("before");
    await storage.put("a", data, signal);
    data.fill(0);
    expect((await storage.get("a", signal)).toString()).toBe("before");
  });

  promise("reports a missing object as object_missing, and stat as undefined", async (storage) => {
    await expect(storage.get("nope", signal)).rejects.toMatchObject({ code: "object_missing" });
    await expect(storage.open("no/pe", signal)).rejects.toMatchObject({ code: "object_missing" });
    expect(await storage.stat("nope", signal)).toBeUndefined();
    expect(await storage.stat("no/pe", signal)).toBeUndefined();
  });

  promise("tells the sizes of many, in their order", async (storage) => {
    await storage.put("a/b/c", bytes("hello"), signal);
    await storage.put("a/d", bytes(""), signal);
    const keys = ["a/d", "a", "a/b/c", "nope", "a/b/no", "a/d/below", "a/b/c"];
    const none = undefined;
    expect(await storage.sizes(keys, signal)).toEqual([0, none, 5, none, none, none, 5]);
    expect(await storage.sizes([], signal)).toEqual([]);
  });

  promise("does not take a folder for an object", async (storage) => {
    await storage.put("folder/object", bytes("x"), signal);
    await expect(storage.get("folder", signal)).rejects.toMatchObject({ code: "object_missing" });
    expect(await storage.stat("folder", signal)).toBeUndefined();
  });

  promise("deletes, and deleting again is no error", async (storage) => {
    await storage.put("a/b", bytes("x"), signal);
    await storage.put("a/c", bytes("y"), signal);
    await storage.delete("a/b", signal);
    await storage.delete("a/b", signal);
    await storage.delete("never/was", signal);
    expect(await storage.stat("a/b", signal)).toBeUndefined();
    expect((await storage.get("a/c", signal)).toString()).toBe("y");
  });

  promise("takes any name PostgreSQL allows once it is encoded, and unicode as it is", async (storage) => {
    const names = ["%22quoted%22", "with space", "dotted.name", "ünïcødé-名前", "a".repeat(200)];
    for (const name of names) await storage.put(`db/${name}`, bytes(name), signal);
    expect(await keysOf(storage, "db/", "here")).toEqual(names.map((name) => `db/${name}`).toSorted());
  });

  promise("reports free bytes, or that nobody knows", async (storage) => {
    const free = await storage.freeBytes(signal);
    expect(free === undefined || free > 0).toBe(true);
  });
}

function creation(promise: Promised): void {
  promise("creates only when absent, and says so", async (storage) => {
    expect(await storage.putIfAbsent("lease", bytes("one"), signal)).toBe(true);
    expect(await storage.putIfAbsent("lease", bytes("two"), signal)).toBe(false);
    expect((await storage.get("lease", signal)).toString()).toBe("one");
  });

  promise("lets exactly one of many creators win, with its whole content", async (storage) => {
    const texts = Array.from({ length: 16 }, (_, index) => `writer ${index} `.repeat(1000));
    const won = await Promise.all(
      texts.map((text) => storage.putIfAbsent("db/lease.1.json", bytes(text), signal)),
    );
    expect(won.filter(Boolean)).toHaveLength(1);
    expect((await storage.get("db/lease.1.json", signal)).toString()).toBe(texts[won.indexOf(true)]);
  });

  promise("lets writers and deleters share a folder", async (storage) => {
    const work = async (writer: number): Promise<void> => {
      for (let round = 0; round < 20; round++) {
        const key = `shared/deep/${writer}`;
        await storage.put(key, bytes("x"), signal);
        await storage.delete(key, signal);
      }
    };
    await Promise.all([1, 2, 3, 4].map(work));
    expect(await keysOf(storage, "", "all")).toEqual([]);
  });
}

function staging(promise: Promised): void {
  promise("shows a staged object only once it is published", async (storage) => {
    await using staged = await storage.stage("db/archive.sql.gz", signal);
    const chunks = Array.from({ length: 20 }, () => randomBytes(100_000));
    for (const chunk of chunks) await staged.write(chunk);
    expect(await staged.finish()).toBe(2_000_000);
    expect(await storage.stat("db/archive.sql.gz", signal)).toBeUndefined();
    expect(await keysOf(storage, "", "all")).toEqual([]);
    const whole = Buffer.concat(chunks);
    // Not `toEqual`: comparing megabytes that way takes seconds.
    expect((await drain(await staged.read(signal))).equals(whole)).toBe(true);
    await staged.publish();
    expect((await drain(await storage.open("db/archive.sql.gz", signal))).equals(whole)).toBe(true);
    expect(await keysOf(storage, "", "all")).toEqual(["db/archive.sql.gz"]);
  });

  promise("publishes an empty object", async (storage) => {
    await using staged = await storage.stage("empty", signal);
    expect(await staged.finish()).toBe(0);
    expect(await drain(await staged.read(signal))).toHaveLength(0);
    await staged.publish();
    expect(await storage.stat("empty", signal)).toMatchObject({ size: 0 });
  });

  promise("never overwrites by publishing", async (storage) => {
    await using staged = await storage.stage("db/a", signal);
    await staged.write(bytes("ours"));
    await staged.finish();
    await storage.put("db/a", bytes("theirs"), signal);
    await expect(staged.publish()).rejects.toMatchObject({ code: "object_exists" });
    expect((await storage.get("db/a", signal)).toString()).toBe("theirs");
  });

  promise("replaces what has the key where that is asked for, or makes it", async (storage) => {
    await storage.put("db/a", bytes("before"), signal);
    for (const key of ["db/a", "db/new"]) {
      await using staged = await storage.stage(key, signal);
      await staged.write(bytes("after"));
      await staged.finish();
      await staged.replace();
    }
    expect((await storage.get("db/a", signal)).toString()).toBe("after");
    expect((await storage.get("db/new", signal)).toString()).toBe("after");
    expect((await keysOf(storage, "", "all")).toSorted()).toEqual(["db/a", "db/new"]);
    expect(await storage.strays("", signal)).toBe(0);
  });

  promise("leaves nothing of a staged object that was not published", async (storage) => {
    {
      await using half = await storage.stage("db/half", signal);
      await half.write(bytes("x"));
    }
    {
      await using whole = await storage.stage("db/whole", signal);
      await whole.write(bytes("x"));
      await whole.finish();
    }
    expect(await keysOf(storage, "", "all")).toEqual([]);
    expect(await storage.strays("", signal)).toBe(0);
    expect(await storage.sweep("", signal)).toBe(0);
  });

  promise("stays published after it is disposed", async (storage) => {
    {
      await using staged = await storage.stage("a", signal);
      await staged.finish();
      await staged.publish();
    }
    expect(await storage.stat("a", signal)).toBeDefined();
  });

  promise("refuses to publish or read back what is not finished, and to write what is", async (storage) => {
    await using staged = await storage.stage("a", signal);
    await expect(staged.publish()).rejects.toMatchObject({ code: "unexpected" });
    await expect(staged.read(signal)).rejects.toMatchObject({ code: "unexpected" });
    await staged.finish();
    await expect(staged.write(bytes("x"))).rejects.toMatchObject({ code: "unexpected" });
  });

  promise("stops writing when the signal is aborted", async (storage) => {
    const controller = new AbortController();
    const reason = new Error("enough");
    await using staged = await storage.stage("a", controller.signal);
    await staged.write(bytes("x"));
    controller.abort(reason);
    await expect(staged.write(bytes("x"))).rejects.toBe(reason);
    await expect(staged.finish()).rejects.toBe(reason);
  });
}

function listing(promise: Promised): void {
  promise("lists what is here, or everything below", async (storage) => {
    for (const key of ["top", "a/1", "a/2", "a/b/3", "ab/4"]) await storage.put(key, bytes(key), signal);
    expect(await keysOf(storage, "", "here")).toEqual(["top"]);
    expect(await keysOf(storage, "", "all")).toEqual(["a/1", "a/2", "a/b/3", "ab/4", "top"]);
    expect(await keysOf(storage, "a/", "here")).toEqual(["a/1", "a/2"]);
    expect(await keysOf(storage, "a/", "all")).toEqual(["a/1", "a/2", "a/b/3"]);
    expect(await keysOf(storage, "nothing/", "all")).toEqual([]);
  });

  promise("gives sizes with the keys", async (storage) => {
    await storage.put("a/1", bytes("12345"), signal);
    for await (const object of storage.list("a/", "here", signal)) {
      expect(object).toMatchObject({ key: "a/1", size: 5 });
    }
    expect.assertions(1);
  });

  promise("names the folders, sorted", async (storage) => {
    for (const key of ["top", "b/1", "a/1", "a/x/2"]) await storage.put(key, bytes(key), signal);
    expect(await storage.folders("", signal)).toEqual(["a", "b"]);
    expect(await storage.folders("a/", signal)).toEqual(["x"]);
    expect(await storage.folders("nothing/", signal)).toEqual([]);
  });

  promise("shows no folder once its last object is gone", async (storage) => {
    await storage.put("a/b/c", bytes("x"), signal);
    await storage.delete("a/b/c", signal);
    expect(await storage.folders("", signal)).toEqual([]);
  });
}

function links(promise: Promised): void {
  promise("links to a sibling and moves the link, where it has links", async (storage) => {
    await storage.put("db/one", bytes("1"), signal);
    await storage.put("db/two", bytes("2"), signal);
    if (await storage.link("db/latest", "db/one", signal)) {
      expect((await storage.get("db/latest", signal)).toString()).toBe("1");
      expect(await storage.link("db/latest", "db/two", signal)).toBe(true);
      expect((await storage.get("db/latest", signal)).toString()).toBe("2");
      await storage.link("db/latest", undefined, signal);
      await storage.link("db/latest", undefined, signal);
    }
    expect(await storage.stat("db/latest", signal)).toBeUndefined();
    expect((await storage.get("db/two", signal)).toString()).toBe("2");
  });

  promise("does not list links", async (storage) => {
    await storage.put("db/one", bytes("1"), signal);
    await storage.link("db/latest", "db/one", signal);
    expect(await keysOf(storage, "", "all")).toEqual(["db/one"]);
  });

  promise("does not replace an object by a link, nor remove one", async (storage) => {
    await storage.put("db/one", bytes("1"), signal);
    await storage.put("db/latest", bytes("mine"), signal);
    await expect(storage.link("db/latest", "db/one", signal)).rejects.toMatchObject({
      code: "object_exists",
    });
    await expect(storage.link("db/latest", undefined, signal)).rejects.toMatchObject({
      code: "object_exists",
    });
    expect((await storage.get("db/latest", signal)).toString()).toBe("mine");
  });

  promise("links only within one folder", async (storage) => {
    await storage.put("other/one", bytes("1"), signal);
    await expect(storage.link("db/latest", "other/one", signal)).rejects.toMatchObject({
      code: "unexpected",
    });
  });
}

function refusals(promise: Promised): void {
  promise("refuses keys that are not relative paths", async (storage) => {
    const bad = ["", "/a", "a//b", "a/", "../a", "a/../b", "a/..", ".", "a/./b", "a\0b"];
    for (const key of bad) {
      await expect(storage.put(key, bytes("x"), signal), key).rejects.toMatchObject({ code: "unexpected" });
      await expect(storage.get(key, signal), key).rejects.toMatchObject({ code: "unexpected" });
      await expect(storage.delete(key, signal), key).rejects.toMatchObject({ code: "unexpected" });
      await expect(storage.stage(key, signal), key).rejects.toMatchObject({ code: "unexpected" });
    }
    await expect(storage.sizes(["a", "../a"], signal)).rejects.toMatchObject({ code: "unexpected" });
    await expect(storage.folders("a", signal)).rejects.toMatchObject({ code: "unexpected" });
    await expect(storage.keys("a", "all", signal)).rejects.toMatchObject({ code: "unexpected" });
    await expect(storage.sweep("../", signal)).rejects.toMatchObject({ code: "unexpected" });
    await expect(storage.strays("../", signal)).rejects.toMatchObject({ code: "unexpected" });
  });

  promise("observes an aborted signal in every method", async (storage) => {
    await storage.put("a/b", bytes("x"), signal);
    const reason = new Error("enough");
    const aborted = AbortSignal.abort(reason);
    await expect(storage.put("a/b", bytes("y"), aborted)).rejects.toBe(reason);
    await expect(storage.putIfAbsent("a/c", bytes("y"), aborted)).rejects.toBe(reason);
    await expect(storage.stage("a/c", aborted)).rejects.toBe(reason);
    await expect(storage.get("a/b", aborted)).rejects.toBe(reason);
    await expect(storage.open("a/b", aborted)).rejects.toBe(reason);
    await expect(storage.stat("a/b", aborted)).rejects.toBe(reason);
    await expect(storage.sizes(["a/b"], aborted)).rejects.toBe(reason);
    await expect(storage.keys("", "all", aborted)).rejects.toBe(reason);
    await expect(storage.folders("", aborted)).rejects.toBe(reason);
    await expect(storage.delete("a/b", aborted)).rejects.toBe(reason);
    await expect(storage.link("a/l", "a/b", aborted)).rejects.toBe(reason);
    await expect(storage.sweep("", aborted)).rejects.toBe(reason);
    await expect(storage.strays("", aborted)).rejects.toBe(reason);
    await expect(storage.freeBytes(aborted)).rejects.toBe(reason);
    await expect(Array.fromAsync(storage.list("", "all", aborted))).rejects.toBe(reason);
    expect((await storage.get("a/b", signal)).toString()).toBe("x");
  });

  promise("ends a stream whose signal is aborted", async (storage) => {
    const controller = new AbortController();
    await storage.put("big", Buffer.alloc(3_000_000), signal);
    const stream = await storage.open("big", controller.signal);
    const reason = new Error("enough");
    const reading = (async () => {
      for await (const _chunk of stream) controller.abort(reason);
    })();
    await expect(reading).rejects.toBe(reason);
  });
}

async function keysOf(storage: Storage, prefix: string, depth: "all" | "here"): Promise<string[]> {
  const found = await Array.fromAsync(storage.list(prefix, depth, signal));
  const keys = found.map(({ key }) => key).toSorted();
  expect((await storage.keys(prefix, depth, signal)).toSorted()).toEqual(keys);
  return keys;
}

async function drain(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}
