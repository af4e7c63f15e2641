/**
 * Maps items with at most `limit` of them in work at once. Results keep the items' order. The first failure is thrown
 * once the items already begun have ended; no further ones are begun.
 */
export async function mapBounded<T, R>(
  items: readonly T[],
  limit: number,
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  const entries = items.entries();
  let failed = false;
  const worker = async (): Promise<void> => {
    // One iterator for all workers: each takes the next item that nobody has begun.
    for (const [index, item] of entries) {
      try {
        results[index] = await work(item);
      } catch (error) {
        failed = true;
        throw error;
      }
      if (failed) return;
    }
  };
  const ends = await Promise.allSettled(Array.from({ length: Math.min(limit, items.length) }, worker));
  for (const end of ends) if (end.status === "rejected") throw end.reason;
  return results;
}

type Piece<T> = (signal: AbortSignal) => Promise<T>;

/**
 * Runs two pieces of one job at the same time. The first failure stops the other piece, with the error as the reason,
 * and is thrown; like success, it is reported only when both have come to an end, so that nothing goes on unseen.
 */
export async function runTogether<A, B>(
  one: Piece<A>,
  other: Piece<B>,
  signal: AbortSignal,
): Promise<[A, B]> {
  const failed = new AbortController();
  const both = AbortSignal.any([signal, failed.signal]);
  const failures: unknown[] = [];
  const attempt = async <T>(piece: Piece<T>): Promise<T> => {
    try {
      return await piece(both);
    } catch (error) {
      failures.push(error);
      failed.abort(error);
      throw error;
    }
  };
  const [first, second] = await Promise.allSettled([attempt(one), attempt(other)]);
  if (first.status === "fulfilled" && second.status === "fulfilled") return [first.value, second.value];
  throw failures[0];
}
