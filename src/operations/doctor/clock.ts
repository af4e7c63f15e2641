import type { Runtime } from "../../lib/runtime.ts";
import { formatDuration } from "../../lib/text.ts";
import type { Session } from "../../postgres/session.ts";
import { ok, type Outcome, problem, warning } from "./finding.ts";

// NTP keeps clocks within milliseconds; seconds mean that it does not run.
const WARN_ABOVE_MS = 5000;
// From here on the ages that retention and status go by are wrong enough to matter.
const REFUSE_ABOVE_MS = 60_000;
// The fastest of a few round trips has the least error.
const MEASUREMENTS = 3;

interface Skew {
  /** Positive when the server's clock is ahead. */
  readonly ms: number;
  /** How wrong `ms` may be at most. */
  readonly error: number;
}

/** Compares this machine's clock with the server's. */
export async function checkClock(runtime: Runtime, session: Session): Promise<Outcome> {
  const skew = await measureSkew(runtime, session);
  const certain = Math.max(0, Math.abs(skew.ms) - skew.error);
  if (certain <= WARN_ABOVE_MS) return ok("this machine's clock agrees with the server's");
  const text = `this machine's clock is ${formatDuration(certain)} ${skew.ms < 0 ? "ahead of" : "behind"} the server's`;
  const hint = "let NTP set both clocks (`timedatectl set-ntp true`)";
  if (certain <= REFUSE_ABOVE_MS) return warning(text, hint);
  return problem(null, `${text}: retention would judge the age of backups wrongly`, hint);
}

async function measureSkew(runtime: Runtime, session: Session): Promise<Skew> {
  let best: Skew = { ms: 0, error: Infinity };
  for (let count = 0; count < MEASUREMENTS; count++) {
    const sent = runtime.clock.now().getTime();
    const started = runtime.clock.monotonic();
    const [row] = await session.query<{ ms: number }>(
      "select extract(epoch from pg_catalog.clock_timestamp())::float8 * 1000 as ms",
    );
    const error = (runtime.clock.monotonic() - started) / 2;
    if (row !== undefined && error < best.error) best = { ms: row.ms - (sent + error), error };
  }
  return best;
}
