import fc from "fast-check";
import { expect, test } from "vitest";
import { sampleBackup } from "../../test/support/sample-backup.ts";
import { snapshotOf } from "../../test/support/sample-snapshot.ts";
import { encodeManifest } from "./manifests.ts";
import type { BackupIndex } from "./manifest.ts";
import { storedBytesOf } from "./stored-bytes.ts";

function snapshot(number: number, storedBytes: number, namedBytes: number): BackupIndex {
  const id = `202412${String(10 + number)}T020000Z-00aa`;
  const { head, tables, content } = snapshotOf(id, []);
  const facts = { ...head.snapshot, namedBytes };
  const totals = { ...head.totals, storedBytes };
  return encodeManifest({ ...head, totals, snapshot: facts }, tables, content).index;
}

function archive(size: number): BackupIndex {
  const made = sampleBackup({ id: "20241201T020000Z-00bb", archive: Buffer.alloc(size) });
  return encodeManifest(made.head, made.tables, made.content).index;
}

test("archives by their size, snapshots by what each added", () => {
  expect(storedBytesOf([])).toBe(0);
  expect(storedBytesOf([snapshot(2, 10, 1005), archive(300), snapshot(1, 1000, 1000)])).toBe(1310);
});

test("what a deleted snapshot stored counts where a later one names it", () => {
  expect(storedBytesOf([snapshot(3, 10, 1010), snapshot(2, 5, 1005)])).toBe(1015);
});

test("is exact for snapshots none of which was deleted, and never more than there is", () => {
  // Objects by number; each of a size of its own. A snapshot names some, and stores those that the one before did not name.
  const history = fc.array(fc.uniqueArray(fc.nat(30), { maxLength: 12 }), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(history, fc.nat(255), (named, deleted) => {
      const sizeOf = (objects: Iterable<number>): number => [...objects].reduce((sum, n) => sum + n + 1, 0);
      const known = new Set<number>();
      const all = named.map((objects, at) => {
        const stored = objects.filter((n) => !known.has(n));
        for (const n of objects) known.add(n);
        return snapshot(at, sizeOf(stored), sizeOf(objects));
      });
      expect(storedBytesOf(all)).toBe(sizeOf(known));
      const kept = all.filter((_, at) => (deleted & (1 << at)) === 0);
      const there = new Set(named.filter((_, at) => (deleted & (1 << at)) === 0).flat());
      expect(storedBytesOf(kept)).toBeLessThanOrEqual(sizeOf(there));
    }),
  );
});
