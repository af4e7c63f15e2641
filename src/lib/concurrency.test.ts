import { setImmediate } from "node:timers/promises";
import { expect, test } from "vitest";
import { mapBounded } from "./concurrency.ts";

test("keeps the order and never has more than the limit in work", async () => {
  let running = 0;
  let most = 0;
  const items = Array.from({ length: 25 }, (_, index) => index);
  const doubled = await mapBounded(items, 4, async (item) => {
    running += 1;
    most = Math.max(most, running);
    for (let turn = 0; turn < item % 5; turn++) await setImmediate();
    running -= 1;
    return item * 2;
  });
  expect(doubled).toEqual(items.map((item) => item * 2));
  expect(most).toBe(4);
});

test("throws the first failure after those in work have ended, and begins no more", async () => {
  const begun: number[] = [];
  const ended: number[] = [];
  const mapping = mapBounded([1, 2, 3, 4, 5, 6], 2, async (item) => {
    begun.push(item);
    if (item === 1) throw new Error("no");
    await setImmediate();
    ended.push(item);
  });
  await expect(mapping).rejects.toThrow("no");
  expect(begun).toEqual([1, 2]);
  expect(ended).toEqual([2]);
});

test("nothing to do is done at once", async () => {
  expect(await mapBounded([], 4, async (item) => item)).toEqual([]);
});
