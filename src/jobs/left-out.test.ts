import fc from "fast-check";
import { open, stat } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../../test/support/temporary-folder.ts";
import { BoundedFile } from "../lib/bounded-file.ts";
import { readEvents } from "./job-events.ts";
import { leftOutLine } from "./left-out.ts";

const BEGAN = "2024-06-01T12:00:00.000Z";
const BOUNDS = { head: 2000, tail: 3000 };

const lineOf = (n: number, length: number): string =>
  JSON.stringify({ time: BEGAN, event: "note", message: `${n} ${"é".repeat(length)}`, hint: null });

/** All that is told of a file, read on from where it was each time. */
async function toldOf(
  path: string,
  from = 0,
): Promise<{ readonly texts: string[]; readonly seqs: number[] }> {
  const texts: string[] = [];
  const seqs: number[] = [];
  for (let offset = from; ; ) {
    const heard = await readEvents(path, offset, { began: BEGAN, isOver: true });
    for (const event of heard.events) {
      texts.push(event.kind === "line" ? event.text : event.kind);
      seqs.push(event.seq);
    }
    if (heard.offset === offset) return { texts, seqs };
    ({ offset } = heard);
  }
}

test("of many lines the first and the last are kept, each whole and where it was, and it is said that some are not", async () => {
  await using folder = await temporaryFolder();
  let files = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 0, max: 120 }), { minLength: 1, maxLength: 400 }),
      async (lengths) => {
        const path = join(folder.path, String((files += 1)));
        await using file = await open(path, "wx+");
        const bounded = new BoundedFile(file.fd, BOUNDS, leftOutLine);
        const ends = new Map<string, number>();
        let end = 0;
        for (const [n, length] of lengths.entries()) {
          const line = `${lineOf(n, length)}\n`;
          bounded.write(line);
          end += Buffer.byteLength(line);
          ends.set(`${n} ${"é".repeat(length)}`, end);
        }
        const { texts, seqs } = await toldOf(path);
        const all = [...ends.keys()];
        const gap = texts.findIndex((text) => text.includes("not kept"));
        const first = gap < 0 ? texts : texts.slice(0, gap);
        const last = gap < 0 ? [] : texts.slice(gap + 1);
        expect(first).toEqual(all.slice(0, first.length));
        expect(last).toEqual(all.slice(all.length - last.length));
        expect(gap < 0).toBe(first.length === all.length);
        // Whoever goes on from an event goes on at the same place.
        for (const [at, text] of texts.entries()) if (at !== gap) expect(seqs[at]).toBe(ends.get(text));
        expect(seqs).toEqual(seqs.toSorted((a, b) => a - b));
        if (gap < 0) return;
        const bytes = [...first, ...last].reduce(
          (sum, text) => sum + Buffer.byteLength(lineOf(0, 0)) - 2 + Buffer.byteLength(text),
          0,
        );
        expect(bytes).toBeLessThan(BOUNDS.head + 2 * BOUNDS.tail + 1000);
        expect(Buffer.byteLength(last.join("")), "of the end as much as was promised").toBeGreaterThan(500);
        const middle = seqs[Math.floor(texts.length / 2)] ?? 0;
        expect((await toldOf(path, middle)).texts).toEqual(texts.slice(Math.floor(texts.length / 2) + 1));
      },
    ),
    { numRuns: 30 },
  );
});

test("a file of a hundred megabytes takes as little room as its two ends", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "stderr");
  await using file = await open(path, "wx+");
  const bounded = new BoundedFile(file.fd, { head: 64 * 1024, tail: 64 * 1024 }, leftOutLine);
  const line = `${lineOf(1, 50)}\n`.repeat(500);
  const times = Math.ceil((100 * 1024 * 1024) / Buffer.byteLength(line));
  for (let n = 0; n < times; n++) bounded.write(line);
  const { size, blocks } = await stat(path);
  expect(size).toBeGreaterThan(100 * 1024 * 1024);
  expect(blocks * 512).toBeLessThan(1024 * 1024);
});
