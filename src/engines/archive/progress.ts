import type { Progress, Runtime } from "../../lib/runtime.ts";

// Faster than anybody reads, and slow enough not to count against a stream's speed.
const INTERVAL_MS = 100;

/** Tells the reporter how far a stream has come: at most ten times a second, and whenever a new table begins. */
export function progressTeller(
  runtime: Runtime,
  fixed: Pick<Progress, "phase" | "totalBytes" | "totalTables" | "totalIndexes">,
): (moving: Pick<Progress, "bytes" | "tables" | "indexes" | "table" | "share">) => void {
  let last = Number.NEGATIVE_INFINITY;
  let lastTables = 0;
  return (moving) => {
    const now = runtime.clock.monotonic();
    if (now - last < INTERVAL_MS && moving.tables === lastTables) return;
    last = now;
    lastTables = moving.tables ?? 0;
    runtime.reporter.progress({ ...fixed, ...moving });
  };
}
