import { randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import { gzipSync, zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { noAbort, testRuntime } from "../../../test/support/runtime.ts";
import { compress, decompress } from "./compress.ts";

const runtime = testRuntime();
const kinds = ["gzip", "zstd"] as const;

async function collect(stream: Readable): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(stream as AsyncIterable<Buffer>));
}

function streamOf(...chunks: Buffer[]): Readable {
  return Readable.from(chunks, { objectMode: false });
}

const packed = (source: Buffer, compression: "gzip" | "zstd"): Promise<Buffer> =>
  compress(runtime, { source: streamOf(source), compression, output: collect }, noAbort());
const unpacked = (source: Buffer, compression: "gzip" | "zstd"): Promise<Buffer> =>
  decompress(runtime, { source: streamOf(source), compression, output: collect }, noAbort());

describe.each(kinds)("%s", (compression) => {
  test("gives back what went in", async () => {
    const text = Buffer.from("a row\tof a table\n".repeat(200_000));
    const stored = await packed(text, compression);
    expect(stored.length).toBeLessThan(text.length / 50);
    expect((await unpacked(stored, compression)).equals(text)).toBe(true);
    expect(await unpacked(await packed(Buffer.alloc(0), compression), compression)).toEqual(Buffer.alloc(0));
  });

  test("reads all of several members or frames", async () => {
    const parts = ["one\n", "two\n", "three\n"].map((text) => Buffer.from(text));
    const stored = Buffer.concat(
      parts.map((part) => (compression === "gzip" ? gzipSync(part) : zstdCompressSync(part))),
    );
    expect((await unpacked(stored, compression)).toString()).toBe("one\ntwo\nthree\n");
  });

  test("finds any cut and any changed byte of the data", async () => {
    const text = randomBytes(3000);
    const stored = await packed(text, compression);
    const damage = fc.oneof(
      fc.nat({ max: stored.length - 1 }).map((at) => stored.subarray(0, at)),
      fc.tuple(fc.nat({ max: stored.length - 1 }), fc.integer({ min: 1, max: 255 })).map(([at, mask]) => {
        const changed = Buffer.from(stored);
        changed[at] = (changed[at] ?? 0) ^ mask;
        return changed;
      }),
    );
    await fc.assert(
      fc.asyncProperty(damage, async (bytes) => {
        const result = await unpacked(bytes, compression).catch((error: unknown) => error);
        // A few bits of the headers (gzip's time, its system) are of no consequence: then the data is the same.
        if (result instanceof Buffer) expect(result.equals(text)).toBe(true);
        else expect(result).toMatchObject({ code: "backup_damaged", exitCode: 13 });
      }),
      { numRuns: compression === "gzip" ? 500 : 60 },
    );
  });

  test("refuses what stands behind the end", async () => {
    const stored = Buffer.concat([await packed(Buffer.from("text"), compression), Buffer.from("rubbish")]);
    await expect(unpacked(stored, compression)).rejects.toMatchObject({ code: "backup_damaged" });
  });

  test("tells the failure of the source, not its consequences", async () => {
    const broken = new Error("the disk cannot be read");
    const failing = async function* (): AsyncGenerator<Buffer> {
      yield await packed(randomBytes(200_000), compression).then((bytes) => bytes.subarray(0, 100_000));
      throw broken;
    };
    const source = (): Readable => Readable.from(failing(), { objectMode: false });
    await expect(
      compress(runtime, { source: source(), compression, output: collect }, noAbort()),
    ).rejects.toBe(broken);
    await expect(
      decompress(runtime, { source: source(), compression, output: collect }, noAbort()),
    ).rejects.toBe(broken);
  });

  test("tells the failure of the consumer, and stops reading the source", async () => {
    const broken = new Error("the disk is full");
    const source = Readable.from(endless(), { objectMode: false });
    const output = async (stream: Readable): Promise<void> => {
      for await (const _ of stream) throw broken;
    };
    await expect(compress(runtime, { source, compression, output }, noAbort())).rejects.toBe(broken);
    expect(source.destroyed).toBe(true);
  });

  test("ends at an abort with its reason", async () => {
    const controller = new AbortController();
    const reason = new Error("enough");
    const source = Readable.from(endless(), { objectMode: false });
    const output = async (stream: Readable): Promise<void> => {
      for await (const _ of stream) controller.abort(reason);
    };
    await expect(compress(runtime, { source, compression, output }, controller.signal)).rejects.toBe(reason);
    expect(source.destroyed).toBe(true);
  });
});

async function* endless(): AsyncGenerator<Buffer> {
  for (;;) yield await Promise.resolve(randomBytes(64 * 1024));
}

test("names the program that is missing", async () => {
  const poor = testRuntime({ env: { PATH: "/nowhere" } });
  const call = { source: streamOf(Buffer.from("text")), compression: "zstd" as const, output: collect };
  await expect(compress(poor, call, noAbort())).rejects.toMatchObject({
    code: "client_missing",
    hint: expect.stringContaining("zstd") as string,
  });
});

test("keeps memory bounded when the consumer is slow", async () => {
  let given = 0;
  const counted = async function* (): AsyncGenerator<Buffer> {
    for (let n = 0; n < 300; n += 1) {
      given += 64 * 1024;
      yield await Promise.resolve(randomBytes(64 * 1024));
    }
  };
  let ahead = 0;
  let taken = 0;
  const output = async (stream: Readable): Promise<void> => {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      taken += chunk.length;
      ahead = Math.max(ahead, given - taken);
      await new Promise(setImmediate);
    }
  };
  const source = Readable.from(counted(), { objectMode: false });
  await compress(runtime, { source, compression: "gzip", output }, noAbort());
  expect(taken).toBeGreaterThan(19_000_000);
  expect(ahead).toBeLessThan(4_000_000);
});
