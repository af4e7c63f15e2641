import { AppError } from "../errors.ts";
import type { Clock } from "../lib/clock.ts";
import { formatDuration } from "../lib/text.ts";

/**
 * Work that has to end within so many milliseconds; its signal is aborted then, and work that does not heed it is left behind.
 * Fails with `channel_unreachable` after that time.
 */
export async function within<T>(
  clock: Clock,
  ms: number,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const late = new AbortController();
  const ended = new AbortController();
  const both = AbortSignal.any([signal, late.signal]);
  const stopped = new Promise<never>((_, reject) => {
    both.addEventListener("abort", () => reject(both.reason as Error), { once: true });
  });
  clock.wait(ms, AbortSignal.any([signal, ended.signal])).then(
    () => late.abort(new AppError("channel_unreachable", `no answer within ${formatDuration(ms)}`)),
    // Nobody waits for it any more.
    () => undefined,
  );
  try {
    signal.throwIfAborted();
    return await Promise.race([work(both), stopped]);
  } finally {
    ended.abort();
  }
}
