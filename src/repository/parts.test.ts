import { createHash } from "node:crypto";
import { pipeline } from "node:stream/promises";
import { expect, test } from "vitest";
import { diskFull, faulty } from "../../test/support/faulty-storage.ts";
import { noAbort } from "../../test/support/runtime.ts";
import { memoryStorage } from "../storage/memory.ts";
import type { Storage } from "../storage/storage.ts";
import { partKey } from "./layout.ts";
import { textHashOf } from "./part-names.ts";
import { readPart, writePart } from "./parts.ts";
import type { PartRef } from "./stored-parts.ts";

const signal = noAbort();
const HASH = createHash("sha256").update("the text").digest("hex");
const DATA = [Buffer.from("first frame"), Buffer.alloc(300_000, 7)];

const write = (storage: Storage, data: Parameters<typeof writePart>[3] = DATA): Promise<PartRef> =>
  writePart({ storage }, "shop", HASH, data, signal);

/** What was too long for memory comes as a stream. */
async function* streamed(): AsyncGenerator<Buffer> {
  for (const frame of DATA) yield await Promise.resolve(frame);
}

async function read(storage: Storage, part: PartRef): Promise<Buffer> {
  const chunks: Buffer[] = [];
  await pipeline(await readPart({ storage }, "shop", part, signal), async (source: AsyncIterable<Buffer>) => {
    for await (const chunk of source) chunks.push(chunk);
  });
  return Buffer.concat(chunks);
}

test.each([
  ["in memory", () => DATA],
  ["from a stream", streamed],
])("a part %s is read back as it was written, and described as it is stored", async (_how, data) => {
  const storage = memoryStorage();
  const part = await write(storage, data());
  const stored = Buffer.concat(DATA);
  expect(part).toMatchObject({
    size: stored.length,
    sha256: createHash("sha256").update(stored).digest("hex"),
  });
  expect(textHashOf(part.name)).toBe(HASH);
  expect(partKey("shop", part.name)).toBe(`shop/parts/${HASH.slice(0, 2)}/${part.name}`);
  expect(await read(storage, part)).toEqual(stored);
});

test("the same text again is another object: nothing that is there is touched or relied on", async () => {
  const storage = memoryStorage();
  const first = await write(storage);
  const second = await write(storage);
  expect(second.name).not.toBe(first.name);
  await storage.delete(partKey("shop", first.name), signal);
  expect(await read(storage, second)).toEqual(Buffer.concat(DATA));
});

test.each([
  ["changed", (data: Buffer) => Buffer.concat([Buffer.from("F"), data.subarray(1)]), /SHA-256/],
  ["cut short", (data: Buffer) => data.subarray(0, -1), /bytes, it should have/],
  ["longer", (data: Buffer) => Buffer.concat([data, Buffer.from("x")]), /more than/],
])("a part that was %s is named as damaged", async (_what, damage, reason) => {
  const storage = memoryStorage();
  const part = await write(storage);
  const key = partKey("shop", part.name);
  await storage.put(key, damage(await storage.get(key, signal)), signal);
  const error = await read(storage, part).catch((caught: unknown) => caught);
  expect(error).toMatchObject({ code: "backup_damaged", message: expect.stringContaining(part.name) });
  expect(String(error)).toMatch(reason);
});

test("a part that is gone is damage as well", async () => {
  const storage = memoryStorage();
  const part = await write(storage);
  await storage.delete(partKey("shop", part.name), signal);
  await expect(read(storage, part)).rejects.toMatchObject({
    code: "backup_damaged",
    message: `read part ${part.name}: it is not there`,
  });
});

test.each([
  ["in memory", () => DATA, ["put"]],
  ["from a stream", streamed, ["write", "write"]],
])("a part %s that cannot be written whole is not there", async (_how, data, operations) => {
  const storage = memoryStorage();
  const seen: string[] = [];
  const full = faulty(storage, {
    at: ({ operation, phase }) => {
      if (phase !== "before" || !["put", "write"].includes(operation)) return undefined;
      seen.push(operation);
      return seen.length === operations.length ? diskFull() : undefined;
    },
  });
  await expect(write(full, data())).rejects.toMatchObject({ code: "space_missing" });
  expect(seen).toEqual(operations);
  expect(await Array.fromAsync(storage.list("", "all", signal))).toEqual([]);
});
