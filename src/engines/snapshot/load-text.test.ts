import { createHash } from "node:crypto";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { noAbort } from "../../../test/support/runtime.ts";
import { storeRows } from "../../../test/support/stored-rows.ts";
import { compressFrames } from "../../lib/zstd-frames.ts";
import { partKey } from "../../repository/layout.ts";
import type { PartLine } from "../../repository/part-list-lines.ts";
import { memoryStorage } from "../../storage/memory.ts";
import type { Storage } from "../../storage/storage.ts";
import { textOf } from "./load-text.ts";
import { batchesOf } from "./part-batches.ts";

const signal = noAbort();
const MESSAGE = 64 * 1024;

interface Loaded {
  readonly messages: readonly Buffer[];
  readonly told: number;
  readonly error: unknown;
}

/** Everything that a COPY would be given, and what ended it. */
async function load(storage: Storage, parts: readonly PartLine[]): Promise<Loaded> {
  async function* given(): AsyncGenerator<PartLine> {
    yield* parts;
  }
  const batches = batchesOf(given());
  const messages: Buffer[] = [];
  let told = 0;
  const source = {
    next: async () => (await batches.next()).value ?? [],
    told: (bytes: number) => void (told += bytes),
  };
  try {
    for await (const message of textOf({ storage, database: "shop" }, source, signal)) messages.push(message);
  } catch (error) {
    return { messages, told, error };
  }
  return { messages, told, error: undefined };
}

/** Rows of about this many bytes together. */
function rowsOf(seed: number, bytes: number): Buffer {
  const rows: string[] = [];
  for (let length = 0, at = 0; length < bytes || at === 0; at++) {
    const value = createHash("sha256").update(`${seed} ${at}`).digest("base64");
    const row = `${at}\t${value.repeat(1 + (at % 7))}\n`;
    rows.push(row);
    length += row.length;
  }
  return Buffer.from(rows.join(""));
}

test("parts of any size come back as they were stored, in messages that suit the server", async () => {
  const sizes = fc.array(
    fc.oneof(
      { weight: 30, arbitrary: fc.nat(2000) },
      { weight: 3, arbitrary: fc.integer({ min: MESSAGE - 500, max: MESSAGE + 500 }) },
      { weight: 1, arbitrary: fc.integer({ min: 1_000_000, max: 5_000_000 }) },
    ),
    { maxLength: 60 },
  );
  await fc.assert(
    fc.asyncProperty(sizes, async (of) => {
      const storage = memoryStorage();
      const texts = of.map((bytes, at) => rowsOf(at, bytes));
      const parts: PartLine[] = [];
      for (const text of texts) parts.push(await storeRows(storage, "shop", text));
      const { messages, told, error } = await load(storage, parts);
      expect(error).toBeUndefined();
      const whole = Buffer.concat(texts);
      expect(Buffer.concat(messages).equals(whole)).toBe(true);
      expect(told).toBe(whole.length);
      for (const { length } of messages) expect(length).toBeLessThanOrEqual(MESSAGE);
      // A message for each part would take longer than the part.
      expect(messages.length).toBeLessThanOrEqual(2 * (whole.length / MESSAGE) + 2);
    }),
    { numRuns: 25 },
  );
});

describe("of many small parts one that is not what it should be", () => {
  const COUNT = 300;
  const texts = Array.from({ length: COUNT }, (_, at) => rowsOf(at, 1 + (at % 900)));
  const storage = memoryStorage();
  const parts: PartLine[] = [];

  beforeAll(async () => {
    for (const text of texts) parts.push(await storeRows(storage, "shop", text));
  });

  /** Loads all with one of them changed; it must be named, and nothing of it or behind it may have been given. */
  async function expectRefused(at: number, changed: PartLine, stored: Buffer | undefined): Promise<string> {
    const key = partKey("shop", changed.name);
    const whole = await storage.get(key, signal);
    await (stored === undefined ? storage.delete(key, signal) : storage.put(key, stored, signal));
    const { messages, error } = await load(storage, parts.with(at, changed));
    await storage.put(key, whole, signal);
    expect(error).toMatchObject({
      code: "backup_damaged",
      message: expect.stringContaining(changed.name),
    });
    const before = Buffer.concat(texts.slice(0, at));
    const given = Buffer.concat(messages);
    expect(given.equals(before.subarray(0, given.length))).toBe(true);
    return String(error);
  }

  const places = fc.nat(COUNT - 1);
  const partAt = (at: number): PartLine => parts[at] ?? expect.fail(`there is no part ${at}`);
  const storedAt = (at: number): Promise<Buffer> => storage.get(partKey("shop", partAt(at).name), signal);

  test("with any bit of it flipped", async () => {
    await fc.assert(
      fc.asyncProperty(places, fc.nat(), fc.nat(7), async (at, offset, bit) => {
        const stored = Buffer.from(await storedAt(at));
        const byte = offset % stored.length;
        stored.writeUInt8(stored.readUInt8(byte) ^ (1 << bit), byte);
        expect(await expectRefused(at, partAt(at), stored)).toContain("SHA-256");
      }),
      { numRuns: 60 },
    );
  });

  test("cut short anywhere, or longer", async () => {
    await fc.assert(
      fc.asyncProperty(places, fc.nat(), async (at, length) => {
        const stored = await storedAt(at);
        const cut = stored.subarray(0, length % stored.length);
        expect(await expectRefused(at, partAt(at), cut)).toContain("bytes, it should have");
        const longer = Buffer.concat([stored, stored.subarray(0, 1 + (length % stored.length))]);
        expect(await expectRefused(at, partAt(at), longer)).toContain("bytes, it should have");
      }),
      { numRuns: 30 },
    );
  });

  test("missing", async () => {
    for (const at of [0, 255, 256, COUNT - 1]) {
      expect(await expectRefused(at, partAt(at), undefined)).toContain("it is not there");
    }
  });

  test("of other rows than its list says, though its bytes are those recorded", async () => {
    await fc.assert(
      fc.asyncProperty(places, async (at) => {
        const part = partAt(at);
        const { rows, bytes } = part;
        const digest = part.digest.startsWith("0") ? `1${part.digest.slice(1)}` : `0${part.digest.slice(1)}`;
        for (const wrong of [{ digest }, { rows: rows + 1 }, { bytes: bytes + 1 }]) {
          const error = await expectRefused(at, { ...part, ...wrong }, await storedAt(at));
          expect(error).toContain("does not hold the rows it should");
        }
      }),
      { numRuns: 20 },
    );
  });

  test("of another part's rows, recorded as its own", async () => {
    const [one, other] = [partAt(7), await storedAt(8)];
    const sha256 = createHash("sha256").update(other).digest("hex");
    const error = await expectRefused(7, { ...one, size: other.length, sha256 }, other);
    expect(error).toContain("does not hold the rows it should");
  });

  test.each([
    ["no frames at all", (text: Buffer): Buffer => text],
    ["a frame without its end", (text) => Buffer.concat(compressFrames(text, 3)).subarray(0, -1)],
    ["its rows twice", (text) => Buffer.concat([...compressFrames(text, 3), ...compressFrames(text, 3)])],
    ["half a row at its end", (text) => Buffer.concat(compressFrames(text.subarray(0, -1), 3))],
    ["nothing", () => Buffer.concat(compressFrames(Buffer.alloc(0), 3))],
  ])("of %s, recorded as its own", async (_what, change) => {
    const stored = change(texts[280] ?? Buffer.alloc(0));
    const sha256 = createHash("sha256").update(stored).digest("hex");
    await expectRefused(280, { ...partAt(280), size: stored.length, sha256 }, stored);
  });
});
