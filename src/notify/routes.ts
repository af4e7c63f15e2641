import type { Channel, MessageChannel, Notify } from "../config/notify.ts";
import { type Finding, isWorse, type Rules } from "./alerts.ts";
import { CHANNEL_BROKEN } from "./failing.ts";

/** The channels that are told of findings. */
export function messageChannels({ channels }: Notify): MessageChannel[] {
  return channels.filter((channel: Channel): channel is MessageChannel => channel.kind !== "ping");
}

/** The rules of a strategy. */
export function rulesOf(notify: Notify): Rules {
  const channels = messageChannels(notify).map(({ name }) => name);
  return {
    channels,
    channelsOf: (finding) => channelsOf(notify, channels, finding),
    remindersMs: notify.remindersMs,
  };
}

/** Those who are told of the mildest findings of no database in particular get the digest. */
export function digestChannels(notify: Notify): readonly string[] {
  const all = messageChannels(notify).map(({ name }) => name);
  const finding = { id: "digest", database: null, subject: "", severity: "notice" } as const;
  const chosen = channelsOf(notify, all, finding);
  return all.filter((name) => chosen.includes(name));
}

function channelsOf(
  { routes }: Notify,
  all: readonly string[],
  finding: Pick<Finding, "id" | "database" | "severity" | "subject">,
): readonly string[] {
  const { id, database, severity, subject } = finding;
  const fitting = routes.filter(
    (route) =>
      !isWorse(route.severity, severity) &&
      (database === null || route.databases === undefined || route.databases.includes(database)),
  );
  const routed = routes.length === 0 ? all : fitting.flatMap(({ channels }) => channels);
  if (id !== CHANNEL_BROKEN) return routed;
  // Where the routes know no other than the broken one, any other there is. And itself: that is how it is tried, and those
  // at its end are to know that they may have missed something.
  const others = routed.filter((name) => name !== subject);
  return [subject, ...(others.length > 0 ? others : all.filter((name) => name !== subject))];
}
