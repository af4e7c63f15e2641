import { createHash } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { ByteTable } from "./byte-table.ts";

const keyOf = (number: number): Buffer => createHash("sha256").update(String(number)).digest().subarray(0, 8);

test("behaves like a map of strings", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(5000), fc.nat(255)), { maxLength: 6000 }), (pairs) => {
      const model = new Map<string, number>();
      const table = new ByteTable(8, 1);
      for (const [number, value] of pairs) {
        const key = keyOf(number);
        const { added, value: stored } = table.add(key);
        expect(added).toBe(!model.has(key.toString("hex")));
        stored.writeUInt8(value);
        model.set(key.toString("hex"), value);
      }
      expect(table.size).toBe(model.size);
      for (let number = 0; number < 100; number++) {
        expect(table.find(keyOf(number))?.readUInt8()).toBe(model.get(keyOf(number).toString("hex")));
      }
      const listed = [...table.entries()].map(({ key, value }) => [key.toString("hex"), value.readUInt8()]);
      expect(listed).toEqual([...model]);
    }),
    { numRuns: 50 },
  );
});

test("keys that begin alike are told apart, and grow with the table", () => {
  const table = new ByteTable(8, 0);
  const alike = (number: number): Buffer => {
    const key = Buffer.alloc(8, 7);
    key.writeUInt32LE(number, 4);
    return key;
  };
  for (let number = 0; number < 400; number++) expect(table.add(alike(number)).added).toBe(true);
  for (let number = 0; number < 400; number++) expect(table.find(alike(number))).toBeDefined();
  expect(table.find(alike(400))).toBeUndefined();
});

test("a key of another length is refused", () => {
  expect(() => new ByteTable(8, 0).find(Buffer.alloc(7))).toThrow(/7 bytes/);
});
