import type { Clock } from "../lib/clock.ts";

/** How it is noticed that others on this machine have done something. */
interface Changes {
  readonly clock: Clock;
  /** When it was last, as ISO 8601; empty: never. */
  readonly last: () => Promise<string>;
  /** Whether it may be looked now for what was done at a time: one look after the other, where much is done in a row, would be a load. */
  readonly isNews: (at: string) => boolean;
  readonly look: () => void;
}

// Whoever has done something expects to see it at once; reading a few bytes costs nothing.
const ASK_MS = 2000;

/** Has it looked again, once for all that was done since the last look, until it is disposed. */
export function watchChanges({ clock, last, isNews, look }: Changes): AsyncDisposable {
  const stop = new AbortController();
  let seen = "";
  const watch = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      await clock.wait(ASK_MS, stop.signal).catch((error: unknown) => {
        if (!stop.signal.aborted) throw error;
      });
      if (stop.signal.aborted) break;
      const at = await last();
      // Where the clock was set back, the same is news for ever.
      if (at === seen || !isNews(at)) continue;
      seen = at;
      look();
    }
  };
  const watching = watch();
  return {
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await watching;
    },
  };
}
