import type { Channel, Notify, Severity } from "../config/notify.ts";
import type { Runtime } from "../lib/runtime.ts";
import type { AlertsFile } from "../repository/alerts-file.ts";
import { recall } from "./memory.ts";

/** A channel, and what is known of it. */
export interface ChannelState {
  readonly name: string;
  readonly kind: Channel["kind"];
  /** What it is told of; nothing where it is a ping. */
  readonly told: { readonly severity: Severity; readonly databases: string[] | null }[];
  /** When a message arrived last; null: none is remembered. */
  readonly lastAt: string | null;
  /** Null where the last message arrived, or none was sent. */
  readonly failing: AlertsFile["failing"][string] | null;
}

/**
 * How the channels of a strategy stand, as this machine remembers it, which sends the messages. Nothing is kept of calls of a ping.
 * @param strategyPath absolute
 * @param databases of the strategy
 */
export async function channelStates(
  runtime: Runtime,
  strategyPath: string,
  { channels, routes }: Notify,
  databases: readonly string[],
  signal: AbortSignal,
): Promise<ChannelState[]> {
  const { file: general } = await recall(runtime, strategyPath, null, [], signal);
  const sent = [general.sentAt];
  for (const database of databases)
    sent.push((await recall(runtime, strategyPath, database, [], signal)).file.sentAt);
  const everything = [{ severity: "notice" as const, databases: null }];
  return channels.map(({ name, kind }) => ({
    name,
    kind,
    told:
      kind === "ping"
        ? []
        : routes.length === 0
          ? everything
          : routes
              .filter((route) => route.channels.includes(name))
              .map(({ severity, databases: of }) => ({
                severity,
                databases: of === undefined ? null : [...of],
              })),
    lastAt:
      sent
        .flatMap((at) => at[name] ?? [])
        .toSorted()
        .at(-1) ?? null,
    failing: general.failing[name] ?? null,
  }));
}
