import { mapBounded } from "../lib/concurrency.ts";
import type { Storage } from "../storage/storage.ts";

// Enough to hide the latency of a place that is far away.
const AT_ONCE = 32;

/**
 * The sizes of objects in bytes, in the order of the keys, each asked for by itself; undefined in the place of one that is not
 * there. For what seems to be missing or cut: where a place was listed, its listing may be late, and nothing is called lost for that.
 */
export async function lookAgain(
  storage: Storage,
  keys: readonly string[],
  signal: AbortSignal,
): Promise<(number | undefined)[]> {
  return await mapBounded(keys, AT_ONCE, async (key) => (await storage.stat(key, signal))?.size);
}
