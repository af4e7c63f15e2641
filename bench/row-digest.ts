/**
 * Speed and, on request, collisions of the row digest.
 *
 *   node bench/row-digest.ts                 MB/s on one thread: the WebAssembly module against plain JavaScript
 *   node bench/row-digest.ts --collisions    ten million short rows of each kind: collisions in any 64-bit half
 */
import { RowDigest } from "../src/engines/snapshot/row-digest.ts";
import { collisionsByHalf, hashRows } from "../test/support/row-hashes.ts";

const TEXT_BYTES = 16 * 1024 * 1024;
// As large as the chunks that a COPY stream hands over.
const CHUNK_BYTES = 64 * 1024;
const ROUNDS = 7;
const PASSES = 8;
const COLLISION_ROWS = 10_000_000;

/** Rows of words and numbers, between half and one and a half times the mean length, the same in every run. */
function makeText(meanRow: number): Buffer {
  const text = Buffer.alloc(TEXT_BYTES, "The quick brown fox 0123456789\t");
  let state = 1;
  let at = 0;
  while (at < text.length) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    at += Math.max(1, Math.round(meanRow * (0.5 + state / 2 ** 32)));
    text[Math.min(at, text.length) - 1] = 0x0a;
  }
  return text;
}

function rotl(x: number, by: number): number {
  return (x << by) | (x >>> (32 - by));
}

function avalanche(x: number): number {
  const once = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  const twice = Math.imul(once ^ (once >>> 13), 0xc2b2ae35);
  return twice ^ (twice >>> 16);
}

/**
 * What plain JavaScript could do instead: MurmurHash3_x86_128, the relative of our hash made of four 32-bit lanes, in `Math.imul`.
 * Returns the lowest 32 bits of the sum, so that nothing can be left out as unused.
 */
function digestInScript(text: Buffer): number {
  let sum1 = 0;
  let sum2 = 0;
  let sum3 = 0;
  let sum4 = 0;
  let at = 0;
  while (at < text.length) {
    let h1 = 1;
    let h2 = 1;
    let h3 = 1;
    let h4 = 1;
    const from = at;
    for (;;) {
      let k1 = 0;
      let k2 = 0;
      let k3 = 0;
      let k4 = 0;
      let taken = 0;
      let byte = 0;
      while (taken < 16 && (byte = text[at + taken] ?? 0x0a) !== 0x0a) {
        if (taken < 4) k1 |= byte << (8 * taken);
        else if (taken < 8) k2 |= byte << (8 * taken);
        else if (taken < 12) k3 |= byte << (8 * taken);
        else k4 |= byte << (8 * taken);
        taken += 1;
      }
      at += taken;
      h1 ^= Math.imul(rotl(Math.imul(k1, 0x239b961b), 15), 0xab0e9789);
      h2 ^= Math.imul(rotl(Math.imul(k2, 0xab0e9789), 16), 0x38b34ae5);
      h3 ^= Math.imul(rotl(Math.imul(k3, 0x38b34ae5), 17), 0xa1e38b93);
      h4 ^= Math.imul(rotl(Math.imul(k4, 0xa1e38b93), 18), 0x239b961b);
      if (taken < 16) break;
      h1 = (Math.imul(rotl(h1, 19) + h2, 5) + 0x561ccd1b) | 0;
      h2 = (Math.imul(rotl(h2, 17) + h3, 5) + 0x0bcaa747) | 0;
      h3 = (Math.imul(rotl(h3, 15) + h4, 5) + 0x96cd1c35) | 0;
      h4 = (Math.imul(rotl(h4, 13) + h1, 5) + 0x32ac3b17) | 0;
    }
    const length = at - from;
    at += 1;
    h1 ^= length;
    h2 ^= length;
    h3 ^= length;
    h4 ^= length;
    h1 = (h1 + h2 + h3 + h4) | 0;
    h1 = avalanche(h1);
    h2 = avalanche((h2 + h1) | 0);
    h3 = avalanche((h3 + h1) | 0);
    h4 = avalanche((h4 + h1) | 0);
    h1 = (h1 + h2 + h3 + h4) >>> 0;
    const low = sum1 + h1;
    sum1 = low >>> 0;
    const second = sum2 + ((h2 + h1) >>> 0) + (low > 0xffffffff ? 1 : 0);
    sum2 = second >>> 0;
    const third = sum3 + ((h3 + h1) >>> 0) + (second > 0xffffffff ? 1 : 0);
    sum3 = third >>> 0;
    sum4 = (sum4 + h4 + h1 + (third > 0xffffffff ? 1 : 0)) >>> 0;
  }
  return (sum1 ^ sum2 ^ sum3 ^ sum4) >>> 0;
}

/** Best MB/s (10^6 bytes) of several rounds: others use the machine, and only the best round is near the program's own speed. */
function bestSpeed(bytes: number, pass: () => void): number {
  let best = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    const start = performance.now();
    for (let count = 0; count < PASSES; count += 1) pass();
    best = Math.max(best, (bytes * PASSES) / 1000 / (performance.now() - start));
  }
  return best;
}

function compareSpeeds(): void {
  const digest = new RowDigest();
  for (const meanRow of [6, 20, 100, 1000, 100_000]) {
    const text = makeText(meanRow);
    const wasm = bestSpeed(text.length, () => {
      for (let at = 0; at < text.length; at += CHUNK_BYTES)
        digest.update(text.subarray(at, at + CHUNK_BYTES));
      digest.finish();
    });
    const script = bestSpeed(text.length, () => {
      digestInScript(text);
    });
    console.log(
      `rows of about ${String(meanRow).padStart(6)} bytes: WebAssembly ${wasm.toFixed(0).padStart(5)} MB/s, plain JavaScript ${script.toFixed(0).padStart(5)} MB/s`,
    );
  }
}

function countCollisions(): void {
  const kinds: [string, (index: number) => string][] = [
    ["numbers", String],
    ["two fields", (index) => `${index % 3163}\t${Math.floor(index / 3163)}`],
    ["hexadecimal", (index) => (Math.imul(index, 0x9e3779b1) >>> 0).toString(16)],
  ];
  for (const [kind, rowOf] of kinds) {
    const start = performance.now();
    const { low, middle, high } = collisionsByHalf(hashRows(COLLISION_ROWS, rowOf));
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    console.log(
      `${COLLISION_ROWS} rows, ${kind}: collisions in the low half ${low}, the middle ${middle}, the high half ${high} (${seconds} s)`,
    );
    if (low + middle + high > 0) process.exitCode = 1;
  }
}

if (process.argv.includes("--collisions")) countCollisions();
else compareSpeeds();
