import { hostname } from "node:os";
import type { Notify } from "../config/notify.ts";
import { mapBounded } from "../lib/concurrency.ts";
import type { Runtime } from "../lib/runtime.ts";
import type { AlertsFile } from "../repository/alerts-file.ts";
import type { Storage } from "../storage/storage.ts";
import type { Alert } from "./alerts.ts";
import { digestNotice, isDigestDue } from "./digest.ts";
import { gatherFacts } from "./digest-facts.ts";
import { digestChannels } from "./routes.ts";
import { isWorthTrying, type Round, sendInRound } from "./round.ts";

export interface DigestRequest {
  readonly notify: Notify;
  readonly timeZone: string;
  readonly databases: readonly { readonly database: string; readonly storages: readonly Storage[] }[];
  /** What is open, of all of them and of none. */
  readonly open: readonly Alert[];
}

const AT_ONCE = 4;
const WEEK_MS = 7 * 86_400_000;

/**
 * Sends the digest to the channels for which it is due, and gives when each got its last one. A channel that is new waits for
 * the next. The facts are gathered only when somebody is to get them.
 */
export async function sendDigest(
  runtime: Runtime,
  round: Round,
  { notify, timeZone, databases, open }: DigestRequest,
  digestAt: AlertsFile["digestAt"],
  signal: AbortSignal,
): Promise<AlertsFile["digestAt"]> {
  const now = runtime.clock.now();
  const at = now.toISOString();
  const channels = digestChannels(notify);
  const last = new Map(channels.map((channel) => [channel, digestAt[channel] ?? at]));
  const due = channels.filter(
    (channel) =>
      isDigestDue(last.get(channel) ?? at, notify.digest, timeZone, now) &&
      isWorthTrying(round, channel, now),
  );
  if (due.length === 0) return Object.fromEntries(last);
  const since = new Date(
    Math.min(now.getTime() - WEEK_MS, ...due.map((one) => sinceOf(last.get(one) ?? at, now))),
  );
  const facts = await mapBounded(
    databases,
    AT_ONCE,
    async ({ database, storages }) => await gatherFacts(runtime, database, storages, since, signal),
  );
  const notice = digestNotice({ facts, open, since, now, host: hostname() });
  await mapBounded(due, AT_ONCE, async (channel) => {
    if (await sendInRound(runtime, round, { channel, database: null, notice }, signal)) last.set(channel, at);
  });
  return Object.fromEntries(last);
}

// What a wrong clock has written says nothing of when the last one was; nor is anybody to read a year of runs.
const LONGEST_MS = 35 * 86_400_000;

function sinceOf(last: string, now: Date): number {
  const time = Date.parse(last);
  return time > now.getTime() ? now.getTime() : Math.max(time, now.getTime() - LONGEST_MS);
}
