import { formatDuration } from "../lib/text.ts";
import type { AlertsFile } from "../repository/alerts-file.ts";
import { elapsed, type Finding } from "./alerts.ts";

type Failing = AlertsFile["failing"][string];

const MINUTE_MS = 60_000;
/** Between two tries of a channel that does not work; doubled each time, to an hour. */
const FIRST_PAUSE_MS = MINUTE_MS;
const LONGEST_PAUSE_MS = 60 * MINUTE_MS;
/** A channel whose messages fail for so long is itself something wrong. A server that restarts takes less. */
const BROKEN_AFTER_MS = 10 * MINUTE_MS;

/** The id of the finding that a channel is broken; its subject is the channel. */
export const CHANNEL_BROKEN = "channel-broken";

/** Whether it is time to try a channel again. */
export function mayTry(failing: Failing | undefined, now: Date): boolean {
  if (failing === undefined) return true;
  const pause = Math.min(FIRST_PAUSE_MS * 2 ** (failing.attempts - 1), LONGEST_PAUSE_MS);
  return elapsed(now, failing.triedAt) >= pause;
}

export function afterFailure(failing: Failing | undefined, reason: string, now: Date): Failing {
  const at = now.toISOString();
  return { since: failing?.since ?? at, triedAt: at, attempts: (failing?.attempts ?? 0) + 1, reason };
}

/** The channels that stay broken, as findings. */
export function brokenChannels(failing: AlertsFile["failing"]): Finding[] {
  return Object.entries(failing).flatMap(([channel, { since, triedAt, attempts, reason }]) => {
    const forMs = Date.parse(triedAt) - Date.parse(since);
    if (forMs < BROKEN_AFTER_MS) return [];
    return [
      {
        id: CHANNEL_BROKEN,
        database: null,
        subject: channel,
        severity: "critical",
        message: `no message has arrived through ${channel} for ${formatDuration(forMs)}`,
        evidence: { since, lastTry: triedAt, tries: attempts, reason },
        hint: `\`handled notify test ${channel}\` tries it`,
      } satisfies Finding,
    ];
  });
}
