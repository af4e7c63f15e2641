import { Worker } from "node:worker_threads";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { collisionsByHalf, hashRows, repeated } from "../../../test/support/row-hashes.ts";
import { addDigests, RowDigest, ZERO_DIGEST } from "./row-digest.ts";
import { SCAN_CAPACITY } from "./row-digest-wasm.ts";

const WORD = 1n << 64n;
const SUM = 1n << 128n;
const LINE_END = 0x0a;

/** The hash of one row, written down from the description in row-digest.ts and meant to be read, not to be fast. */
function referenceHash(row: Uint8Array): bigint {
  const c1 = 0x87c37b91114253d5n;
  const c2 = 0x4cf5ad432745937fn;
  const rotl = (x: bigint, by: bigint): bigint => ((x << by) | (x >> (64n - by))) % WORD;
  const scramble = (k: bigint, first: bigint, by: bigint, second: bigint): bigint =>
    (rotl((k * first) % WORD, by) * second) % WORD;
  const avalanche = (x: bigint): bigint => {
    const once = ((x ^ (x >> 33n)) * 0xff51afd7ed558ccdn) % WORD;
    const twice = ((once ^ (once >> 33n)) * 0xc4ceb9fe1a85ec53n) % WORD;
    return twice ^ (twice >> 33n);
  };
  const padded = Buffer.alloc(Math.floor(row.length / 16) * 16 + 16);
  padded.set(row);
  const last = padded.length - 16;
  let h1 = 0x48616e64n;
  let h2 = 0x48616e64n;
  for (let at = 0; at <= last; at += 16) {
    h1 ^= scramble(padded.readBigUInt64LE(at), c1, 31n, c2);
    if (at < last) h1 = ((rotl(h1, 27n) + h2) * 5n + 0x52dce729n) % WORD;
    h2 ^= scramble(padded.readBigUInt64LE(at + 8), c2, 33n, c1);
    if (at < last) h2 = ((rotl(h2, 31n) + h1) * 5n + 0x38495ab5n) % WORD;
  }
  h1 ^= BigInt(row.length);
  h2 ^= BigInt(row.length);
  h1 = (h1 + h2) % WORD;
  h2 = (h2 + h1) % WORD;
  h1 = avalanche(h1);
  h2 = avalanche(h2);
  h1 = (h1 + h2) % WORD;
  h2 = (h2 + h1) % WORD;
  return h2 * WORD + h1;
}

function referenceDigest(rows: readonly Uint8Array[]): { rows: number; digest: string } {
  const sum = rows.reduce((total, row) => (total + referenceHash(row)) % SUM, 0n);
  return { rows: rows.length, digest: sum.toString(16).padStart(32, "0") };
}

function textOf(rows: readonly (Uint8Array | string)[]): Buffer {
  return Buffer.concat(rows.flatMap((row) => [Buffer.from(row), Buffer.of(LINE_END)]));
}

/** One for the file, as a worker would use it. */
const shared = new RowDigest();

function digestOf(...chunks: readonly (Uint8Array | string)[]): { rows: number; digest: string } {
  for (const chunk of chunks) shared.update(Buffer.from(chunk));
  return shared.finish();
}

function digestOfRows(rows: readonly (Uint8Array | string)[]): string {
  return digestOf(textOf(rows)).digest;
}

/** Random bytes, the same in every run, none of them a line end. */
function makeBytes(seed: number): (size: number) => Buffer {
  let state = seed;
  const byte = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24 === LINE_END ? byte() : state >>> 24;
  };
  return (size) => Buffer.from(Array.from({ length: size }, byte));
}

const rowBytes = fc.oneof(
  fc.uint8Array({ maxLength: 70 }),
  fc.string({ maxLength: 30 }).map((text) => Buffer.from(text)),
  fc.nat({ max: 40 }).map((size) => Buffer.alloc(size)),
);
const anyRow = rowBytes.map((bytes) => bytes.filter((byte) => byte !== LINE_END));

describe("format", () => {
  // Computed by the `mmh3` package of Python, from the line in the description. A change here is a change of the format.
  test.each([
    ["\n", "dee97ba36b7ce2434e05705bbe674675"],
    ["0\n", "8229543a67a352bda254ca3a9c10272e"],
    ["1\n", "466edaab32c58a4bd935096ec229c587"],
    ["\\N\n", "8580eb93f0cb67e330b54099141cf287"],
    ["1\t2\n", "d5de4253fa7734890a1e7c70f435b26b"],
    ["1234567\n", "48f65d40d31d86380d2b42e27571068f"],
    ["12345678\n", "687982c7aff298512906a30fa75ff836"],
    ["123456789\n", "2735e6a0dfde92d9d372e29bb3ca9e4a"],
    ["123456789012345\n", "59b1babf6e6300cc695cb17aaf350d5c"],
    ["1234567890123456\n", "e87c6eba9b750d43ce21b8af9e8c76e5"],
    ["12345678901234567\n", "23101366728ec67cf73d8b979b8cc30e"],
    [
      '1\tGrüße, Žluťoučký kůň, 日本語\t\\N\t2024-02-29 12:34:56.789+00\t{"a": [1, 2]}\n',
      "66c6475f15562aed29c39df10560f611",
    ],
    ["1\tone\n2\ttwo\n3\tthree\n", "e819f332b6047a6755d4bf690b35f356"],
    ["\n\n", "bdd2f746d6f9c4869c0ae0b77cce8cea"],
  ])("golden: %j", (text, digest) => {
    expect(digestOf(text).digest).toBe(digest);
  });

  test("golden: a thousand rows of 0 to 999 bytes", () => {
    const rows = Array.from({ length: 1000 }, (_, size) =>
      Buffer.from("0123456789abcdefghijklm".repeat(44).slice(0, size)),
    );
    expect(digestOf(textOf(rows))).toEqual({ rows: 1000, digest: "86c29ea0ceabdc49c7cfc9d2d2b2dad2" });
  });

  test("equals the reference, wherever chunks are cut", () => {
    fc.assert(
      fc.property(fc.array(anyRow, { maxLength: 30 }), fc.array(fc.nat({ max: 40 })), (rows, sizes) => {
        const text = textOf(rows);
        let at = 0;
        for (const size of sizes) {
          shared.update(text.subarray(at, at + size));
          at = Math.min(text.length, at + size);
        }
        shared.update(text.subarray(at));
        expect(shared.finish()).toEqual(referenceDigest(rows));
      }),
      { numRuns: 2000 },
    );
  });

  test("equals the reference when rows end at, before and behind the end of the buffer", () => {
    const bytes = makeBytes(7);
    for (let shift = -18; shift <= 18; shift += 1) {
      const rows = [bytes(SCAN_CAPACITY + shift), bytes(21), bytes(3), bytes(0)];
      const text = textOf(rows);
      const expected = referenceDigest(rows);
      expect(digestOf(text)).toEqual(expected);
      expect(digestOf(text.subarray(0, 17), text.subarray(17))).toEqual(expected);
    }
  });

  test("a row may be far longer than the buffer", () => {
    const rows = ["short", makeBytes(3)(3 * SCAN_CAPACITY + 5), ""].map((row) => Buffer.from(row));
    expect(digestOf(textOf(rows))).toEqual(referenceDigest(rows));
  });

  test("the text has to end with a row's end, and a new text begins afterwards in any case", () => {
    for (const unfinished of ["1", "1\n2", "1\nsixteen bytes row", `1\n${"x".repeat(SCAN_CAPACITY)}`]) {
      expect(() => digestOf(unfinished)).toThrow(
        expect.objectContaining({
          code: "backup_damaged",
          message: "digest rows: the text ends within a row",
        }),
      );
      expect(digestOf()).toEqual({ rows: 0, digest: ZERO_DIGEST });
      expect(digestOf("row\n")).toEqual(referenceDigest([Buffer.from("row")]));
    }
  });

  test("works in a worker thread", async () => {
    const module = JSON.stringify(new URL("./row-digest.ts", import.meta.url).href);
    const code = `const { parentPort } = require("node:worker_threads");
      import(${module}).then(({ RowDigest }) => {
        const digest = new RowDigest();
        digest.update(Buffer.from("1\\tone\\n"));
        parentPort.postMessage(digest.finish());
      });`;
    const worker = new Worker(code, { eval: true });
    const answer = await new Promise((resolve, reject) => {
      worker.once("message", resolve);
      worker.once("error", reject);
    });
    await worker.terminate();
    expect(answer).toEqual(digestOf("1\tone\n"));
  });
});

describe("a sum", () => {
  test("no rows", () => {
    expect(digestOf()).toEqual({ rows: 0, digest: ZERO_DIGEST });
  });

  test("order does not matter, and digests of pieces add up to that of the whole", () => {
    fc.assert(
      fc.property(fc.array(anyRow), fc.array(anyRow), (a, b) => {
        const whole = digestOfRows([...a, ...b]);
        expect(digestOfRows([...b.toReversed(), ...a])).toBe(whole);
        expect(addDigests(digestOfRows(a), digestOfRows(b))).toBe(whole);
      }),
    );
  });

  test("addDigests wraps around at 2^128 and carries between the halves", () => {
    const all = "f".repeat(32);
    expect(addDigests(all, "1".padStart(32, "0"))).toBe(ZERO_DIGEST);
    expect(addDigests(all, all)).toBe(`${"f".repeat(31)}e`);
    expect(addDigests("f".repeat(16).padStart(32, "0"), "1".padStart(32, "0"))).toBe(
      "1".padEnd(17, "0").padStart(32, "0"),
    );
    expect(addDigests(ZERO_DIGEST, "0123456789abcdef".repeat(2))).toBe("0123456789abcdef".repeat(2));
  });

  test("duplicates count: n times a row is n times its hash, for none to a million", () => {
    for (const row of ["", "0", "t", "\\N", "\\N\t\\N", "a row longer than sixteen bytes"]) {
      const hash = referenceHash(Buffer.from(row));
      for (const copies of [0, 1, 2, 3, 4, 255, 256, 65_536, 1_000_000]) {
        const { rows, digest } = digestOf(`${row}\n`.repeat(copies));
        expect(rows).toBe(copies);
        expect(BigInt(`0x${digest}`)).toBe((hash * BigInt(copies)) % SUM);
      }
    }
  });

  test("two equal rows are neither none nor one nor another pair", () => {
    const digests = Array.from({ length: 200 }, (_, value) => digestOf(`${value}\n${value}\n`).digest);
    expect(
      new Set([...digests, ZERO_DIGEST, ...digests.map((_, value) => digestOf(`${value}\n`).digest)]).size,
    ).toBe(401);
  });

  test("no two pairs of 500 short rows have the same sum in either half", () => {
    const { quarters } = hashRows(500, String);
    const hashes = Array.from({ length: 500 }, (_, row) =>
      quarters.reduce(
        (hash, values, quarter) => hash + (BigInt(values[row] ?? 0) << BigInt(32 * quarter)),
        0n,
      ),
    );
    const sums = hashes.flatMap((a, index) => hashes.slice(index).map((b) => a + b));
    expect(sums.length).toBe(125_250);
    expect(repeated(BigUint64Array.from(sums))).toBe(0);
    expect(repeated(BigUint64Array.from(sums, (sum) => sum >> 64n))).toBe(0);
  });
});

describe("every change of the rows changes the digest", () => {
  test("a single bit, anywhere in the text, line ends included", () => {
    const bytes = makeBytes(11);
    const text = textOf(Array.from({ length: 60 }, (_, size) => bytes(size % 41)));
    const seen = new Set([digestOf(text).digest]);
    for (let bit = 0; bit < text.length * 8; bit += 1) {
      const changed = Buffer.from(text);
      changed.writeUInt8(changed.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      // The last line end flipped leaves a row without one, which is an error of its own.
      if (changed.at(-1) === LINE_END) seen.add(digestOf(changed).digest);
    }
    expect(seen.size).toBe(1 + (text.length - 1) * 8);
  });

  test("fields swapped within a row, and values swapped between rows", () => {
    const values = Array.from({ length: 24 }, (_, value) => (value === 0 ? "\\N" : String(value)));
    const pairs = values.flatMap((a) => values.map((b) => `${a}\t${b}`));
    expect(new Set(pairs.map((row) => digestOfRows([row]))).size).toBe(pairs.length);
    const tables = pairs.flatMap((row, index) => pairs.slice(index).map((other) => `${row}\n${other}\n`));
    expect(new Set(tables.map((table) => digestOf(table).digest)).size).toBe(tables.length);
  });

  test("bytes moved from a field or a row to the next", () => {
    const letters = "abcdefghijklmnopqrstuvwxyz0123456789";
    for (const separator of ["\t", "\n"]) {
      const cuts = Array.from(letters, (_, at) => letters.slice(0, at) + separator + letters.slice(at));
      expect(new Set(cuts.map((row) => digestOfRows([row]))).size).toBe(letters.length);
    }
  });

  test("rows of nothing but zero bytes differ by their length, in each half; the empty row counts", () => {
    expect(collisionsByHalf(hashRows(1000, (length) => "\0".repeat(length)))).toEqual({
      low: 0,
      middle: 0,
      high: 0,
    });
    expect(digestOf("\n").digest).not.toBe(ZERO_DIGEST);
    expect(digestOf("\n\n").digest).not.toBe(digestOf("\n").digest);
  });
});

describe("quality of the row hash", () => {
  test("avalanche: each bit of a row flips each bit of its hash half of the time", () => {
    const SAMPLES = 600;
    const bytes = makeBytes(23);
    for (const length of [1, 2, 4, 7, 8, 9, 15, 16, 17, 24, 33]) {
      const flips = Array.from({ length: length * 8 }, () => new Uint32Array(128));
      const samples = new Uint32Array(length * 8);
      for (let sample = 0; sample < SAMPLES; sample += 1) {
        const row = bytes(length);
        const hash = digestOfRows([row]);
        flips.forEach((counts, bit) => {
          const changed = Buffer.from(row);
          changed.writeUInt8(changed.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
          if (changed.includes(LINE_END)) return;
          samples[bit] = (samples[bit] ?? 0) + 1;
          countFlips(counts, hash, digestOfRows([changed]));
        });
      }
      const shares = flips.flatMap((counts, bit) =>
        Array.from(counts, (count) => count / (samples[bit] ?? 0)),
      );
      // Six standard deviations of one share; with 140,000 shares chance alone breaks it once in thousands of seeds. Samples
      // that would hold a line end are left out, and single bytes make no more than 127 different pairs.
      const tolerance = (6 * 0.5) / Math.sqrt(length === 1 ? 127 : SAMPLES - 40);
      expect(Math.min(...shares), `length ${length}`).toBeGreaterThan(0.5 - tolerance);
      expect(Math.max(...shares), `length ${length}`).toBeLessThan(0.5 + tolerance);
      const mean = shares.reduce((total, share) => total + share) / shares.length;
      expect(Math.abs(mean - 0.5), `length ${length}`).toBeLessThan(0.005);
    }
  });

  test("every row of one and two bytes has a hash of its own in each half", () => {
    const rows = Array.from({ length: 65_536 + 256 }, (_, index) =>
      index < 256 ? String.fromCharCode(index) : String.fromCharCode((index - 256) >> 8, (index - 256) & 255),
    ).filter((row) => !row.includes("\n"));
    expect(rows.length).toBe(255 * 255 + 255);
    expect(collisionsByHalf(hashRows(rows.length, (index) => rows[index] ?? ""))).toEqual({
      low: 0,
      middle: 0,
      high: 0,
    });
  });

  // The full run over ten million rows of each kind is `node bench/row-digest.ts --collisions`.
  test.each([
    ["numbers", (index: number) => String(index)],
    ["two fields", (index: number) => `${index % 1000}\t${Math.floor(index / 1000)}`],
  ])("a million short rows, %s: no collision in a half, as many in a quarter as by chance", (_, rowOf) => {
    const count = 1_000_000;
    const hashes = hashRows(count, rowOf);
    expect(collisionsByHalf(hashes)).toEqual({ low: 0, middle: 0, high: 0 });
    // Of n random 32-bit values about n²/2^33 repeat an earlier one; the spread is the root of that.
    const expected = count ** 2 / 2 ** 33;
    for (const quarter of hashes.quarters) {
      expect(Math.abs(repeated(quarter) - expected)).toBeLessThan(6 * Math.sqrt(expected));
    }
  });
});

function countFlips(counts: Uint32Array, a: string, b: string): void {
  for (let part = 0; part < 4; part += 1) {
    const digits = [part * 8, part * 8 + 8] as const;
    const difference = Number.parseInt(a.slice(...digits), 16) ^ Number.parseInt(b.slice(...digits), 16);
    for (let bit = 0; bit < 32; bit += 1) {
      const at = part * 32 + bit;
      counts[at] = (counts[at] ?? 0) + ((difference >>> bit) & 1);
    }
  }
}
