import { expect, test } from "vitest";
import { manualClock } from "../../test/support/manual-clock.ts";
import { noAbort } from "../../test/support/runtime.ts";
import { manyFiles } from "./many-files.ts";

const items = Array.from({ length: 2000 }, (_, n) => n);

/** A clock of which each operation takes its share. */
function clockOf(operationMs: number) {
  let now = 0;
  const clock = { ...manualClock(), monotonic: () => now };
  const ways = { now: 0, later: 0, most: 0 };
  let running = 0;
  return {
    clock,
    ways,
    operation: {
      now: (item: number): string => {
        now += operationMs;
        ways.now += 1;
        return String(item);
      },
      later: async (item: number): Promise<string> => {
        running += 1;
        ways.most = Math.max(ways.most, running);
        await Promise.resolve();
        running -= 1;
        ways.later += 1;
        return String(item);
      },
    },
  };
}

test("where each takes no time, none is waited for", async () => {
  const { clock, ways, operation } = clockOf(0.01);
  expect(await manyFiles({ clock }, items, operation, noAbort())).toEqual(items.map(String));
  expect(ways).toEqual({ now: 2000, later: 0, most: 0 });
});

test("where each takes long, most are waited for, many at once, and results keep their order", async () => {
  const { clock, ways, operation } = clockOf(2);
  expect(await manyFiles({ clock }, items, operation, noAbort())).toEqual(items.map(String));
  expect(ways.later).toBeGreaterThan(1900);
  expect(ways.most).toBe(64);
});

test("none at all is none", async () => {
  const { clock, operation } = clockOf(1);
  expect(await manyFiles({ clock }, [], operation, noAbort())).toEqual([]);
});

test("stops when it is told to, and at the first failure", async () => {
  const { clock, operation } = clockOf(2);
  const stop = new AbortController();
  const stopping = {
    ...operation,
    now: (item: number): string => {
      stop.abort(new Error("enough"));
      return operation.now(item);
    },
  };
  await expect(manyFiles({ clock }, items, stopping, stop.signal)).rejects.toThrow("enough");
  const failing = { ...operation, later: () => Promise.reject(new Error("bug")) };
  await expect(manyFiles({ clock }, items, failing, noAbort())).rejects.toThrow("bug");
});
