import type { PingChannel } from "../config/notify.ts";
import type { Strategy } from "../config/strategy.ts";
import { messageOf } from "../errors.ts";
import { mapBounded } from "../lib/concurrency.ts";
import type { Runtime } from "../lib/runtime.ts";
import { deliverPing } from "./deliver.ts";
import type { PingEvent } from "./ping.ts";

/** Calls of the pings that watch one backup. That a call does not get through is a warning, and stops nothing. */
export interface Pings {
  /** Tells how the backup ended. Waits for the call that it began, which must not arrive last. */
  readonly end: (event: Exclude<PingEvent, "start">, words: string) => Promise<void>;
}

const AT_ONCE = 4;
// Also whoever is stopped says so, and waits no longer than this.
const LONGEST_MS = 30_000;

/**
 * Tells that a backup begins, without waiting for it.
 * @param entry the strategy's entry that it is taken for; null for one that no entry asks for, which no ping watches
 */
export function beginPings(
  runtime: Runtime,
  strategy: Strategy | null,
  { database, entry }: { readonly database: string; readonly entry: string | null },
): Pings {
  const watching =
    entry === null
      ? []
      : (strategy?.notify?.channels ?? []).filter(
          (channel): channel is PingChannel =>
            channel.kind === "ping" &&
            channel.database === database &&
            (channel.backup === undefined || channel.backup === entry),
        );
  // One that cannot be reached is told once, not at the beginning and at the end.
  const warned = new Set<string>();
  const warn = (channel: PingChannel, problem: string): void => {
    if (!warned.has(channel.name)) runtime.reporter.warn(`${problem}: that says nothing of the backup`);
    warned.add(channel.name);
  };
  const call = async (event: PingEvent, words: string): Promise<void> => {
    await mapBounded(watching, AT_ONCE, async (channel) => {
      try {
        const { error } = await deliverPing(runtime, channel, event, words, AbortSignal.timeout(LONGEST_MS));
        if (error !== undefined) warn(channel, error.message);
      } catch (error) {
        // Its time is over, or it is a defect of ours: no backup is to fail because of that.
        warn(channel, `send to ${channel.name}: ${messageOf(error)}`);
      }
    });
  };
  const name = `backup ${entry ?? ""} of ${database}`;
  const begun = call("start", `${name} begins`);
  return {
    end: async (event, words) => {
      await begun;
      await call(event, `${name}: ${words}`);
    },
  };
}
