import { getEventListeners } from "node:events";
import { afterEach, describe, expect, test, vi } from "vitest";
import { systemClock } from "./clock.ts";

afterEach(() => void vi.useRealTimers());

test("tells the time, and another that only grows", () => {
  const before = Date.now();
  const now = systemClock.now().getTime();
  expect(now).toBeGreaterThanOrEqual(before);
  expect(now).toBeLessThanOrEqual(Date.now());
  const first = systemClock.monotonic();
  expect(systemClock.monotonic()).toBeGreaterThanOrEqual(first);
});

describe("wait", () => {
  /** What became of a wait, once whatever is due has run. */
  async function after(ms: number, wait: Promise<void>): Promise<string> {
    let state = "waiting";
    wait.then(
      () => (state = "over"),
      (error: unknown) => (state = String(error)),
    );
    await vi.advanceTimersByTimeAsync(ms);
    return state;
  }

  test("takes as long as it was told to, and not a moment less", async () => {
    vi.useFakeTimers();
    const { signal } = new AbortController();
    const wait = systemClock.wait(1000, signal);
    expect(await after(999, wait)).toBe("waiting");
    expect(await after(1, wait)).toBe("over");
    expect(getEventListeners(signal, "abort")).toEqual([]);
    expect(await after(0, systemClock.wait(0, signal))).toBe("over");
  });

  test("may be longer than the longest timer of Node", async () => {
    vi.useFakeTimers();
    const days = 86_400_000;
    const wait = systemClock.wait(60 * days, new AbortController().signal);
    expect(await after(60 * days - 1, wait)).toBe("waiting");
    expect(await after(1, wait)).toBe("over");
  });

  test("ends with the signal's reason, whether it was aborted before or meanwhile", async () => {
    vi.useFakeTimers();
    const reason = new Error("enough");
    expect(await after(0, systemClock.wait(1000, AbortSignal.abort(reason)))).toBe("Error: enough");
    const stop = new AbortController();
    const wait = systemClock.wait(1000, stop.signal);
    expect(await after(10, wait)).toBe("waiting");
    stop.abort(reason);
    await expect(wait).rejects.toBe(reason);
    expect(vi.getTimerCount()).toBe(0);
  });
});
