import type { MessageChannel } from "../config/notify.ts";
import type { AppError } from "../errors.ts";
import type { Runtime } from "../lib/runtime.ts";
import type { AlertsFile } from "../repository/alerts-file.ts";
import { deliver } from "./deliver.ts";
import { afterFailure, mayTry } from "./failing.ts";
import type { Notice } from "./notice.ts";

/** What is sent at one time, and which channels work. */
export interface Round {
  readonly channels: readonly MessageChannel[];
  /** Those whose last message did not arrive. */
  readonly failing: Map<string, AlertsFile["failing"][string]>;
  /** Not tried again in this round: what is due stays so. */
  readonly failedNow: Set<string>;
  readonly sent: { readonly channel: string; readonly database: string | null; readonly subject: string }[];
  readonly failures: { readonly channel: string; readonly error: AppError }[];
}

/** @param failing what is remembered of channels that did not work, of which some may be gone from the strategy */
export function beginRound(channels: readonly MessageChannel[], failing: AlertsFile["failing"]): Round {
  const known = Object.entries(failing).filter(([name]) => channels.some((one) => one.name === name));
  return { channels, failing: new Map(known), failedNow: new Set(), sent: [], failures: [] };
}

/** Whether it is worth trying a channel now. */
export function isWorthTrying({ failing, failedNow }: Round, channel: string, now: Date): boolean {
  return !failedNow.has(channel) && mayTry(failing.get(channel), now);
}

/** Sends a message through the channel of this name, and says whether it arrived. Throws only when aborted. */
export async function sendInRound(
  runtime: Runtime,
  round: Round,
  {
    channel: name,
    database,
    notice,
  }: { readonly channel: string; readonly database: string | null; readonly notice: Notice },
  signal: AbortSignal,
): Promise<boolean> {
  const channel = round.channels.find((one) => one.name === name);
  if (channel === undefined) return false;
  const { error, remark } = await deliver(runtime, channel, notice, signal);
  if (remark !== undefined) runtime.reporter.warn(`${name}: ${remark}`);
  if (error === undefined) {
    round.failing.delete(name);
    round.sent.push({ channel: name, database, subject: notice.subject });
    return true;
  }
  const reason = runtime.secrets.redact(error.message);
  round.failing.set(name, afterFailure(round.failing.get(name), reason, runtime.clock.now()));
  round.failedNow.add(name);
  round.failures.push({ channel: name, error });
  return false;
}
