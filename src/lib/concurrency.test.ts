import { setImmediate } from "node:timers/promises";
import { expect, test } from "vitest";
import { mapBounded, runTogether } from "./concurrency.ts";

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

test("two pieces give their results together", async () => {
  const results = await runTogether(
    async () => await setImmediate("one"),
    async () => await setImmediate(2),
    new AbortController().signal,
  );
  expect(results).toEqual(["one", 2]);
});

test("a piece that fails stops the other, and is told only once that has ended", async () => {
  const failure = new Error("first");
  let cleaned = false;
  const running = runTogether(
    async () => {
      await setImmediate();
      throw failure;
    },
    async (signal) => {
      while (!signal.aborted) await setImmediate();
      expect(signal.reason).toBe(failure);
      await setImmediate();
      cleaned = true;
      throw new Error("second");
    },
    new AbortController().signal,
  );
  await expect(running).rejects.toBe(failure);
  expect(cleaned).toBe(true);
});

test("both pieces see the signal of the whole", async () => {
  const controller = new AbortController();
  const until = async (signal: AbortSignal): Promise<never> => {
    while (!signal.aborted) await setImmediate();
    throw signal.reason;
  };
  const running = runTogether(until, until, controller.signal);
  controller.abort(new Error("enough"));
  await expect(running).rejects.toThrow("enough");
});
