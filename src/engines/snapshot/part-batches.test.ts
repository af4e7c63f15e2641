import fc from "fast-check";
import { expect, test } from "vitest";
import type { PartLine } from "../../repository/part-list-lines.ts";
import { newPartName } from "../../repository/part-names.ts";
import { batchesOf, isHeld } from "./part-batches.ts";

const MIB = 1024 * 1024;
const HASH = "0".repeat(64);

function partOf({ bytes, size }: { readonly bytes: number; readonly size: number }): PartLine {
  return { name: newPartName(HASH), size, sha256: HASH, rows: 1, bytes, digest: "0".repeat(32) };
}

const lengths = fc.oneof(fc.nat(3000), fc.nat(2 * MIB), fc.nat(600 * MIB));
const sizes = fc.array(fc.record({ bytes: lengths, size: lengths }), { maxLength: 1000 });

async function* given(parts: readonly PartLine[], failure?: Error): AsyncGenerator<PartLine> {
  yield* parts;
  if (failure !== undefined) throw failure;
}

test("every part is in one batch, in its order; a batch can be held, or is one part that cannot", async () => {
  await fc.assert(
    fc.asyncProperty(sizes, async (of) => {
      const parts = of.map(partOf);
      const batches = await Array.fromAsync(batchesOf(given(parts)));
      expect(batches.flat()).toEqual(parts);
      for (const batch of batches) {
        const sum = (what: "bytes" | "size"): number => batch.reduce((all, part) => all + part[what], 0);
        expect(batch.length).toBeGreaterThan(0);
        if (batch.length === 1) continue;
        expect(batch.every(isHeld)).toBe(true);
        expect(batch.length).toBeLessThanOrEqual(256);
        expect(Math.max(sum("bytes"), sum("size"))).toBeLessThanOrEqual(2 * MIB);
      }
    }),
    { numRuns: 50 },
  );
});

test("small parts are many at a time", async () => {
  const parts = Array.from({ length: 1000 }, () => partOf({ bytes: 800, size: 200 }));
  expect(await Array.fromAsync(batchesOf(given(parts)))).toHaveLength(4);
});

test("what came before a failure is given before it", async () => {
  const parts = Array.from({ length: 3 }, () => partOf({ bytes: 1, size: 20 }));
  const batches = batchesOf(given(parts, new Error("the list ends")));
  expect((await batches.next()).value).toEqual(parts);
  await expect(batches.next()).rejects.toThrow("the list ends");
});
