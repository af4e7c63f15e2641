import { hostname } from "node:os";
import type { Notify } from "../config/notify.ts";
import { mapBounded } from "../lib/concurrency.ts";
import type { Runtime } from "../lib/runtime.ts";
import type { AlertsFile } from "../repository/alerts-file.ts";
import type { Storage } from "../storage/storage.ts";
import { type Alert, isTooSoon } from "./alerts.ts";
import { digestNotice, isDigestDue } from "./digest.ts";
import { gatherFacts } from "./digest-facts.ts";
import { digestChannels } from "./routes.ts";
import { recallRunbook } from "./runbook-told.ts";
import { isWorthTrying, type Round, sendInRound } from "./round.ts";

export interface DigestRequest {
  readonly notify: Notify;
  readonly timeZone: string;
  readonly databases: readonly { readonly database: string; readonly storages: readonly Storage[] }[];
  /** What is open, of all of them and of none. */
  readonly open: readonly Alert[];
  /** Absolute path of the strategy. */
  readonly strategyPath: string;
  /** What the runbook says of substance, as Markdown; undefined where none is kept. */
  readonly runbook: string | undefined;
}

/** When each channel got what, of what concerns no database in particular. */
type SentState = Pick<AlertsFile, "digestAt" | "sentAt">;

const AT_ONCE = 4;
const WEEK_MS = 7 * 86_400_000;

/**
 * Sends the digest to the channels for which it is due, one after the other, and has it remembered when each got it. A channel that is new waits for
 * the next. The facts are gathered only when somebody is to get them.
 */
export async function sendDigest(
  runtime: Runtime,
  round: Round,
  { notify, timeZone, databases, open, strategyPath, runbook }: DigestRequest,
  state: SentState,
  remember: (now: SentState) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const now = runtime.clock.now();
  const at = now.toISOString();
  const channels = digestChannels(notify);
  const last = new Map(channels.map((channel) => [channel, state.digestAt[channel] ?? at]));
  const sentAt = new Map(Object.entries(state.sentAt));
  const sent = (): SentState => ({ digestAt: Object.fromEntries(last), sentAt: Object.fromEntries(sentAt) });
  const due = channels.filter(
    (channel) =>
      isDigestDue(last.get(channel) ?? at, notify.digest, timeZone, now) &&
      !isTooSoon(state, channel, now) &&
      isWorthTrying(round, channel, now),
  );
  await remember(sent());
  const told = await recallRunbook(runtime, strategyPath, runbook, channels);
  if (due.length === 0) return;
  const since = new Date(
    Math.min(now.getTime() - WEEK_MS, ...due.map((one) => sinceOf(last.get(one) ?? at, now))),
  );
  const facts = await mapBounded(
    databases,
    AT_ONCE,
    async ({ database, storages }) => await gatherFacts(runtime, database, storages, since, signal),
  );
  for (const channel of due) {
    const changes = told.changesFor(channel);
    const notice = digestNotice({ facts, open, runbook: changes, since, now, host: hostname() });
    if (!(await sendInRound(runtime, round, { channel, database: null, notice }, signal))) continue;
    last.set(channel, at);
    sentAt.set(channel, at);
    await remember(sent());
    await told.tell(channel);
  }
}

// What a wrong clock has written says nothing of when the last one was; nor is anybody to read a year of runs.
const LONGEST_MS = 35 * 86_400_000;

function sinceOf(last: string, now: Date): number {
  const time = Date.parse(last);
  return time > now.getTime() ? now.getTime() : Math.max(time, now.getTime() - LONGEST_MS);
}
