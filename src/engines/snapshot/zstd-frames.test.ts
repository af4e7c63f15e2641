import { spawnSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { constants, zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { AppError } from "../../errors.ts";
import { compressFrames, decompressFrames, FRAME_TEXT, readFrames } from "../../lib/zstd-frames.ts";

const LEVEL = 3;
const FLAGS = { [constants.ZSTD_c_checksumFlag]: 1, [constants.ZSTD_c_contentSizeFlag]: 1 };

function store(text: Uint8Array | readonly Uint8Array[]): Buffer {
  return Buffer.concat(compressFrames(text, LEVEL));
}

function frameOf(text: string): Buffer {
  return zstdCompressSync(text, { params: FLAGS });
}

function textOf(stored: Uint8Array): Buffer {
  return Buffer.concat([...decompressFrames(stored)]);
}

async function textOfPieces(pieces: Iterable<Uint8Array>): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(readFrames(pieces)));
}

/** What a reader says to damaged bytes: `backup_damaged`, or the text it took them for. Other errors fail the test. */
function outcomeOf(stored: Uint8Array): Buffer | "backup_damaged" {
  try {
    return textOf(stored);
  } catch (error) {
    if (error instanceof AppError && error.code === "backup_damaged") return error.code;
    throw error;
  }
}

function* cut(bytes: Buffer, sizes: readonly number[]): Generator<Buffer> {
  let at = 0;
  for (let index = 0; at < bytes.length; index += 1) {
    const size = sizes[index % sizes.length] ?? 1;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

function stockZstd(args: readonly string[], input?: Uint8Array): Buffer {
  const run = spawnSync("zstd", args, { input, maxBuffer: 64 * 1024 * 1024 });
  expect(run.stderr.toString()).toBe("");
  expect(run.status).toBe(0);
  return run.stdout;
}

function skippable(content: string): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt32LE(0x184d2a53, 0);
  header.writeUInt32LE(content.length, 4);
  return Buffer.concat([header, Buffer.from(content)]);
}

/** Bytes that look random but are the same in every run. */
function noise(size: number): Buffer {
  const bytes = Buffer.alloc(size);
  let state = 1;
  for (let index = 0; index < size; index += 1) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[index] = state >>> 24;
  }
  return bytes;
}

function copyText(rows: number): Buffer {
  return Buffer.from(Array.from({ length: rows }, (_, row) => `${row}\tuser ${row % 997}\t\\N\n`).join(""));
}

const anyText = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc.nat({ max: 400_000 }).map((size) => noise(size)),
  fc.nat({ max: 400_000 }).map((size) => Buffer.alloc(size, "a")),
  fc.nat({ max: 20_000 }).map(copyText),
);

describe("round trip", () => {
  test("any content, compressed and read in pieces of any size", async () => {
    const sizes = fc.array(fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 100_000 })), {
      minLength: 1,
      maxLength: 8,
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(anyText, { minLength: 1, maxLength: 4 }),
        sizes,
        async (texts, pieceSizes) => {
          const stored = Buffer.concat(texts.flatMap((text) => compressFrames(text, LEVEL)));
          expect((await textOfPieces(cut(stored, pieceSizes))).equals(Buffer.concat(texts))).toBe(true);
        },
      ),
      { numRuns: 60 },
    );
  });

  test("byte by byte", async () => {
    const text = copyText(500);
    const stored = Buffer.concat([
      frameOf(text.toString("utf8", 0, 100)),
      frameOf(text.toString("utf8", 100)),
    ]);
    expect((await textOfPieces(cut(stored, [1]))).equals(text)).toBe(true);
  });

  test.each([0, 1, 255, 256, 65_791, 65_792, FRAME_TEXT - 1, FRAME_TEXT, FRAME_TEXT + 1])(
    "%i bytes that cannot be compressed, at the limits of the size fields and of a frame",
    (size) => {
      const text = noise(size);
      expect(textOf(store(text)).equals(text)).toBe(true);
    },
  );

  test("frames hold at most their text, however the pieces are cut, and the same bytes come of it", () => {
    const text = Buffer.concat([copyText(200_000), noise(FRAME_TEXT)]);
    const frames = compressFrames([...cut(text, [70_000, 1, 3 * FRAME_TEXT])], LEVEL);
    expect(frames.map((frame) => textOf(frame).length)).toEqual([
      ...Array.from({ length: Math.floor(text.length / FRAME_TEXT) }, () => FRAME_TEXT),
      text.length % FRAME_TEXT,
    ]);
    expect(Buffer.concat(frames).equals(store(text))).toBe(true);
  });

  test("empty text is one empty frame", () => {
    expect(compressFrames([], LEVEL)).toEqual(compressFrames(Buffer.alloc(0), LEVEL));
    expect([...decompressFrames(store([]))]).toEqual([Buffer.alloc(0)]);
  });

  test("skippable frames are passed over, wherever they are and however cut", async () => {
    const stored = Buffer.concat([
      skippable("x"),
      frameOf("one "),
      skippable(""),
      skippable("y".repeat(99)),
      frameOf("two"),
    ]);
    const whole = Buffer.concat([stored, skippable("end")]);
    for (let size = 1; size <= whole.length; size += 1) {
      expect((await textOfPieces(cut(whole, [size]))).toString()).toBe("one two");
    }
  });
});

describe("the zstd program", () => {
  test("reads what is stored", () => {
    const text = Buffer.concat([copyText(100_000), noise(3_000_000), Buffer.alloc(3_000_000, "z")]);
    expect(stockZstd(["-dc"], store(text)).equals(text)).toBe(true);
    expect(stockZstd(["-dc"], store([])).length).toBe(0);
  });

  test.each([["-1"], ["-3"], ["-19"], ["--ultra", "-20", "--long=27"]])(
    "writes what is read: %s",
    async (...options) => {
      const folder = await mkdtemp(join(tmpdir(), "zstd-frames-"));
      try {
        const text = Buffer.concat([copyText(20_000), noise(200_000), Buffer.alloc(300_000, "z")]);
        const file = join(folder, "text");
        await writeFile(file, text);
        const once = stockZstd([...options, "--check", "-c", file]);
        expect(textOf(Buffer.concat([once, once])).equals(Buffer.concat([text, text]))).toBe(true);
      } finally {
        await rm(folder, { recursive: true });
      }
    },
  );
});

describe("damage", () => {
  const text = "1\tone\n2\ttwo\n3\tthree, three, three, three, three, three\n".repeat(3);
  const stored = Buffer.concat([frameOf(text), skippable("note"), frameOf(text.repeat(9))]);
  const whole = text.repeat(10);

  test("every flipped bit is found or changes nothing", () => {
    let found = 0;
    for (let bit = 0; bit < stored.length * 8; bit += 1) {
      const flipped = Buffer.from(stored);
      flipped.writeUInt8(flipped.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      const outcome = outcomeOf(flipped);
      if (outcome === "backup_damaged") found += 1;
      else expect(outcome.toString()).toBe(whole);
    }
    // Not every bit matters: those of the skippable frame's content, and a few that decoders ignore.
    expect(found).toBeGreaterThan(stored.length * 8 * 0.9);
  });

  test("every byte replaced by any other value is found or changes nothing", () => {
    const frames = Buffer.concat([frameOf(text), frameOf(text.repeat(9))]);
    fc.assert(
      fc.property(fc.nat({ max: frames.length - 1 }), fc.integer({ min: 0, max: 255 }), (at, value) => {
        const changed = Buffer.from(frames);
        changed[at] = value;
        const outcome = outcomeOf(changed);
        if (outcome !== "backup_damaged") expect(outcome.toString()).toBe(whole);
      }),
      { numRuns: 2000 },
    );
  });

  test("only one value of a skippable frame's length hides anything: that which ends where a frame does", () => {
    const length = frameOf(text).length + 4;
    const hidden: number[] = [];
    for (let value = 0; value < 256; value += 1) {
      const changed = Buffer.from(stored);
      changed[length] = value;
      const outcome = outcomeOf(changed);
      if (outcome !== "backup_damaged" && outcome.toString() !== whole) hidden.push(value);
    }
    expect(hidden).toEqual(["note".length + frameOf(text.repeat(9)).length]);
  });

  test("cut short anywhere but between frames", () => {
    const first = frameOf(text).length;
    const ends = new Set([first, first + skippable("note").length]);
    for (let size = 0; size < stored.length; size += 1) {
      const outcome = outcomeOf(stored.subarray(0, size));
      expect(outcome.toString(), `${size} bytes`).toBe(ends.has(size) ? text : "backup_damaged");
    }
  });

  test("bytes after the last frame", () => {
    for (const garbage of ["\0", "\n", "rows", "(\xb5/\xfd", "more than a header of garbage"]) {
      expect(outcomeOf(Buffer.concat([stored, Buffer.from(garbage, "latin1")]))).toBe("backup_damaged");
    }
  });

  test("a byte lost or doubled", () => {
    for (let at = 0; at < stored.length; at += 1) {
      const lost = outcomeOf(Buffer.concat([stored.subarray(0, at), stored.subarray(at + 1)]));
      const doubled = outcomeOf(Buffer.concat([stored.subarray(0, at + 1), stored.subarray(at)]));
      expect([lost, doubled], `byte ${at}`).toEqual(["backup_damaged", "backup_damaged"]);
    }
  });

  test("the frame and its place are named", () => {
    const changed = Buffer.from(stored);
    const last = changed.length - 1;
    changed[last] = changed.readUInt8(last) ^ 1;
    expect(() => textOf(changed)).toThrow(
      expect.objectContaining({
        code: "backup_damaged",
        message: "decompress frame 2: it cannot be decompressed",
        details: { offset: frameOf(text).length + skippable("note").length },
      }),
    );
  });
});

describe("frames that are not ours", () => {
  /** A frame header with the given descriptor and what follows it. */
  function frame(descriptor: number, ...rest: number[]): Buffer {
    return Buffer.from([0x28, 0xb5, 0x2f, 0xfd, descriptor, ...rest]);
  }

  test.each([
    ["without a checksum", frame(0x20, 0, 1, 0, 0), "has no checksum"],
    ["without a content size", frame(0x04, 0x58, 1, 0, 0, 0, 0, 0, 0), "content size"],
    ["with a dictionary", frame(0x25, 7, 0, 1, 0, 0), "dictionary"],
    ["with a reserved bit", frame(0x2c, 0, 1, 0, 0), "reserved bit"],
    ["with a reserved block type", frame(0x24, 1, 7, 0, 0), "reserved type"],
    ["of more than 64 MiB", frame(0xa4, 1, 0, 0, 4), "67108865 bytes"],
    ["of 2^63 bytes", frame(0xe4, 0, 0, 0, 0, 0, 0, 0, 0x80), "more than any may"],
  ])("%s are refused", (_, bytes, reason) => {
    expect(() => textOf(bytes)).toThrow(
      expect.objectContaining({ code: "backup_damaged", message: expect.stringContaining(reason) }),
    );
  });

  test("blocks without end are refused before they fill the memory", () => {
    const reader = readFrames(
      (function* () {
        yield frame(0x24, 1);
        const block = Buffer.alloc(3 + 128 * 1024);
        block.writeUIntLE((128 * 1024) << 3, 0, 3);
        for (let count = 0; count < 600; count += 1) yield block;
        throw new Error("still reading");
      })(),
    );
    return expect(reader.next()).rejects.toMatchObject({
      code: "backup_damaged",
      message: "decompress frame 1: it is longer than any may be",
    });
  });
});

test("the source is closed when the reader stops early", async () => {
  let closed = false;
  async function* source(): AsyncGenerator<Buffer> {
    try {
      for (;;) yield frameOf("row\n");
    } finally {
      closed = true;
    }
  }
  for await (const text of readFrames(source())) {
    expect(text.toString()).toBe("row\n");
    break;
  }
  expect(closed).toBe(true);
});
