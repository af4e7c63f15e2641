import { createHash } from "node:crypto";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { zstdDecompressSync } from "node:zlib";
import { expect, test } from "vitest";
import { noAbort, testRuntime } from "../../test/support/runtime.ts";
import { rangeOf } from "../../test/support/sample-snapshot.ts";
import { temporaryFolder } from "../../test/support/temporary-folder.ts";
import { openFilesystem } from "../storage/filesystem.ts";
import { memoryStorage } from "../storage/memory.ts";
import type { Storage } from "../storage/storage.ts";
import { partListKey } from "./layout.ts";
import type { PartRange } from "./part-list-lines.ts";
import { readPartList, startPartList } from "./part-lists.ts";
import { newPartName, textHashOf } from "./part-names.ts";
import { openOrCreateRepository, type Repository } from "./repository.ts";
import type { PartRef } from "./stored-parts.ts";

const signal = noAbort();
const HEADER = {
  format: 1,
  schema: "public",
  name: "orders",
  columns: ["id", "a \n b"],
  copy: 'COPY "public"."orders" ("id","a \n b") FROM STDIN',
  rangeBlocks: 1024,
};

const open = (storage: Storage): Promise<Repository> =>
  openOrCreateRepository(testRuntime(), storage, signal);

function sampleRange(number: number): PartRange {
  const hash = (of: string): string => createHash("sha256").update(`${of} ${number}`).digest("hex");
  return rangeOf(number, {
    name: newPartName(hash("text")),
    size: number,
    sha256: hash("stored"),
    rows: 10,
    bytes: 8_000_000,
    digest: hash("rows").slice(0, 32),
  });
}

/** What is in use, without what only waits to be collected. */
function liveBytes(): number {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

async function write(repository: Repository, ranges: Iterable<PartRange>): Promise<PartRef> {
  await using list = startPartList(repository, "shop", HEADER, signal);
  for (const range of ranges) await list.add(range);
  return await list.finish();
}

async function read(repository: Repository, ref: PartRef): Promise<PartRange[]> {
  const { header, ranges } = await readPartList(repository, "shop", ref, signal);
  expect(header).toEqual(HEADER);
  return await Array.fromAsync(ranges);
}

test.each([0, 1, 3])("a list of %i ranges is read back as it was written", async (count) => {
  const repository = await open(memoryStorage());
  const ranges = Array.from({ length: count }, (_, number) => sampleRange(number));
  const ref = await write(repository, ranges);
  expect(await read(repository, ref)).toEqual(ranges);
  const stored = await repository.storage.get(partListKey("shop", ref.name), signal);
  expect(ref.size).toBe(stored.length);
  expect(ref.sha256).toBe(createHash("sha256").update(stored).digest("hex"));
  // One frame: any tool reads it, and the name says what it must find.
  const text = zstdDecompressSync(stored);
  expect(createHash("sha256").update(text).digest("hex")).toBe(textHashOf(ref.name));
});

test("100,000 ranges go through in little memory, and leave nothing but the list", async () => {
  await using folder = await temporaryFolder();
  const repository = await open(openFilesystem(testRuntime(), folder.path));
  const count = 100_000;
  const before = liveBytes();
  let peak = 0;
  function* ranges(): Generator<PartRange> {
    for (let number = 0; number < count; number++) {
      if (number % 25_000 === 0) peak = Math.max(peak, liveBytes() - before);
      yield sampleRange(number);
    }
  }
  const ref = await write(repository, ranges());
  // More than is held in memory: the second half of the way is taken too.
  expect(ref.size).toBeGreaterThan(8 * 1024 * 1024);
  const list = await readPartList(repository, "shop", ref, signal);
  let seen = 0;
  for await (const range of list.ranges) {
    if (range.from !== seen * 1024) expect(range.from).toBe(seen * 1024);
    if (seen % 25_000 === 0) peak = Math.max(peak, liveBytes() - before);
    seen += 1;
  }
  expect(seen).toBe(count);
  // Held whole, the ranges would take some 100 MB as objects, their text 50 MB.
  expect(peak / 1024 / 1024).toBeLessThan(50);
  const objects = await Array.fromAsync(repository.storage.list("shop/", "all", signal));
  expect(objects.map(({ key }) => key)).toEqual([partListKey("shop", ref.name)]);
  expect(await repository.storage.sweep("shop/", signal)).toBe(0);
});

test("a list equal to the one before stands for both", async () => {
  const repository = await open(memoryStorage());
  const ranges = [sampleRange(1)];
  const first = await write(repository, ranges);
  await using same = startPartList(repository, "shop", HEADER, signal);
  for (const range of ranges) await same.add(range);
  expect(await same.finish(first)).toEqual(first);
  await using other = startPartList(repository, "shop", HEADER, signal);
  expect((await other.finish(first)).name).not.toBe(first.name);
  expect(await Array.fromAsync(repository.storage.list("shop/tables/", "all", signal))).toHaveLength(2);
});

test("of a damaged list nothing is given out", async () => {
  const repository = await open(memoryStorage());
  const ref = await write(
    repository,
    Array.from({ length: 20_000 }, (_, number) => sampleRange(number)),
  );
  const key = partListKey("shop", ref.name);
  const stored = await repository.storage.get(key, signal);
  const last = stored.length - 1;
  stored[last] = (stored[last] ?? 0) ^ 1;
  await repository.storage.put(key, stored, signal);
  const damaged = { code: "backup_damaged", message: expect.stringContaining(`part list ${ref.name}`) };
  await expect(readPartList(repository, "shop", ref, signal)).rejects.toMatchObject(damaged);
  await repository.storage.delete(key, signal);
  await expect(readPartList(repository, "shop", ref, signal)).rejects.toMatchObject(damaged);
});

test("a range that could not be read back is refused before it is written", async () => {
  const repository = await open(memoryStorage());
  await using list = startPartList(repository, "shop", HEADER, signal);
  await expect(list.add({ ...sampleRange(1), rows: -1 })).rejects.toMatchObject({ code: "unexpected" });
});
