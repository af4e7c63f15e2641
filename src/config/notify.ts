import { z } from "zod";
import { duration } from "./durations.ts";
import { label, text } from "./fields.ts";
import type { Template } from "./interpolate.ts";
import type { Path } from "./problems.ts";
import { cronExpression } from "./scheduled.ts";

export const CHANNEL_KINDS = ["email", "slack", "webhook", "ping"] as const;

/** How bad a finding is, the mildest first. */
export const SEVERITIES = ["notice", "warning", "critical"] as const;
export type Severity = (typeof SEVERITIES)[number];

const ChannelFile = z.strictObject({
  kind: z
    .enum(CHANNEL_KINDS)
    .describe(
      "`email`; `slack`: an incoming webhook of Slack or what understands the same; `webhook`: signed JSON to an address of " +
        "yours; `ping`: an address that is called when a backup begins and ends, and alerts when no call comes (healthchecks.io and its like)",
    ),
  url: text().describe(
    "Of `email` the server: `smtps://host:465` (TLS from the first byte) or `smtp://host:587` (STARTTLS, which is insisted on " +
      "where there is a password), with `user:${PASSWORD}@` before the host; of the others an `https://` or `http://` address. Variables are looked up when it is needed",
  ),
  from: text()
    .optional()
    .describe("Of `email`: the sender, `handled@example.com` or `Handled <handled@example.com>`"),
  to: z.array(text()).min(1).optional().describe("Of `email`: who gets it"),
  secret: text()
    .optional()
    .describe(
      "Of `webhook`: the key of the signature, as `${NAME}`, by which the receiver knows that a message is ours",
    ),
  database: text().optional().describe("Of `ping`: whose backups it is called for"),
  backup: text()
    .optional()
    .describe(
      "Of `ping`: for which of the database's backups alone; without it for each that the strategy asks for",
    ),
});

const RouteFile = z.strictObject({
  severity: z
    .enum(SEVERITIES)
    .default("notice")
    .describe("How bad a finding is at least; `notice` is every one"),
  databases: z
    .array(text())
    .min(1)
    .optional()
    .describe(
      "Findings of which databases; without it of all. What concerns no database in particular always counts",
    ),
  channels: z.array(text()).min(1).describe("Names of the channels that are told"),
});

/** `notify` of the strategy, as it is written. What concerns several fields is in `notify-checks.ts`. */
export const NotifyFile = z.strictObject({
  channels: z
    .record(label(), ChannelFile)
    .refine((channels) => Object.keys(channels).length > 0, "needs at least one channel")
    .describe("Where messages go, by name"),
  routes: z
    .array(RouteFile)
    .prefault([])
    .describe(
      "Who is told of what; a finding takes every route that fits. Without any route every channel is told everything",
    ),
  reminders: z
    .array(duration())
    .min(1)
    .prefault(["1d", "2d", "4d", "7d"])
    .describe(
      "How long after a message the next one comes about what is still wrong: `[1d, 2d, 4d, 7d]` unless set; the last one repeats",
    ),
  watch: cronExpression()
    .prefault("*/15 * * * *")
    .describe(
      "When `handled schedule install`, where cron or timers run the strategy, has everything looked at and whoever is named here told; " +
        "the daemon looks by itself",
    ),
  digest: cronExpression()
    .prefault("0 8 * * 1")
    .describe("When the digest is sent: what ran, what was proven, what is open"),
});

interface AnyChannel {
  readonly name: string;
  /** Holds or is a secret; looked up when a message is sent. */
  readonly url: Template;
}

export type EmailChannel = AnyChannel & {
  readonly kind: "email";
  readonly from: string;
  readonly to: readonly string[];
};
export type SlackChannel = AnyChannel & { readonly kind: "slack" };
export type WebhookChannel = AnyChannel & { readonly kind: "webhook"; readonly secret: Template };
export type PingChannel = AnyChannel & {
  readonly kind: "ping";
  readonly database: string;
  /** Undefined: each backup of it that the strategy asks for. */
  readonly backup: string | undefined;
};
/** One that is told of findings. */
export type MessageChannel = EmailChannel | SlackChannel | WebhookChannel;
export type Channel = MessageChannel | PingChannel;

interface Route {
  readonly severity: Severity;
  /** Undefined: all. */
  readonly databases: readonly string[] | undefined;
  readonly channels: readonly string[];
}

export interface Notify {
  readonly channels: readonly Channel[];
  /** None: everything to every channel. */
  readonly routes: readonly Route[];
  /** Milliseconds after each message; the last one repeats. */
  readonly remindersMs: readonly number[];
  /** Five fields of cron, both. */
  readonly watch: string;
  readonly digest: string;
}

/** `notify` as the program uses it. @param templateAt makes a template of a text of the file */
export function buildNotify(
  file: z.output<typeof NotifyFile>,
  templateAt: (path: Path, text: string) => Template,
): Notify {
  const channels = Object.entries(file.channels).map(([name, channel]): Channel => {
    const at = (key: "url" | "secret"): Template =>
      templateAt(["notify", "channels", name, key], channel[key] ?? "");
    const { kind, from = "", to = [], database = "", backup } = channel;
    const url = at("url");
    // The cross-checks have made sure that each kind has what it needs.
    switch (kind) {
      case "email":
        return { kind, name, url, from, to };
      case "slack":
        return { kind, name, url };
      case "webhook":
        return { kind, name, url, secret: at("secret") };
      case "ping":
        return { kind, name, url, database, backup };
    }
  });
  return {
    channels,
    routes: file.routes.map((route) => ({ ...route, databases: route.databases })),
    remindersMs: file.reminders,
    watch: file.watch,
    digest: file.digest,
  };
}

/** Whether the value at this path of the strategy is one of a channel that is looked up only when it is needed. */
export function isLateNotifyPath(path: readonly PropertyKey[]): boolean {
  const [section, part, , key] = path;
  return (
    path.length === 4 && section === "notify" && part === "channels" && (key === "url" || key === "secret")
  );
}
