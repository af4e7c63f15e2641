import type { Severity } from "../config/notify.ts";
import { counted, formatDuration } from "../lib/text.ts";
import { type Alert, type DueMessage, elapsed, type Finding, isWorse } from "./alerts.ts";
import type { Notice } from "./notice.ts";
import { type Item, noticeOf } from "./page.ts";

interface Context {
  /** Null: what concerns no database in particular. */
  readonly database: string | null;
  readonly host: string;
  readonly now: Date;
}

/** An alert, in words: the subject names the database and the worst, the body evidence and what to type. */
export function alertNotice(message: DueMessage, context: Context): Notice {
  const { database, host, now } = context;
  const { opened, worse, reminded, closed } = message;
  const about = aboutOf(context);
  const news = [...opened, ...worse];
  const open = [...news, ...reminded];
  const status = database === null ? "`handled status`" : `\`handled status ${database}\``;
  return noticeOf({
    subject: `${about}: ${subjectOf(message)}`,
    severity: worstOf(open) ?? "notice",
    opening: openingOf(about, message),
    sections: [
      { title: "New", items: openItems(opened, now) },
      { title: "Worse than before", items: openItems(worse, now) },
      { title: "Still open", items: openItems(reminded, now) },
      { title: "Over", items: closed.map((alert) => closedItem(alert)) },
    ],
    closing: `Sent by handled on ${host}. ${status} shows how things stand now.`,
    event: {
      event: "alert",
      database,
      host,
      opened: opened.map(forPrograms),
      worse: worse.map(forPrograms),
      reminded: reminded.map(forPrograms),
      closed: closed.map(forPrograms),
    },
  });
}

/** Tries a channel. */
export function testNotice(channel: string, host: string): Notice {
  return noticeOf({
    subject: `handled: a test of ${channel}`,
    severity: "notice",
    opening: `Nothing is wrong. Somebody typed \`handled notify test\` on ${host}, and ${channel} works.`,
    sections: [],
    closing: `Sent by handled on ${host}.`,
    event: { event: "test", channel, host },
  });
}

function aboutOf({ database, host }: Context): string {
  return database ?? `handled on ${host}`;
}

function subjectOf({ opened, worse, reminded, closed }: DueMessage): string {
  const [word, alerts] =
    opened.length + worse.length > 0
      ? ["", [...opened, ...worse]]
      : reminded.length > 0
        ? ["still: ", reminded]
        : ["over: ", closed];
  const [lead, ...others] = alerts.toSorted(compareAlerts);
  const more = others.length === 0 ? "" : ` (and ${others.length} more)`;
  return `${word}${lead?.finding.message ?? ""}${more}`;
}

function openingOf(about: string, { opened, worse, reminded, closed }: DueMessage): string {
  const parts = [
    opened.length === 0 ? [] : `${opened.length} new`,
    worse.length === 0 ? [] : `${worse.length} worse than before`,
    reminded.length === 0 ? [] : `${reminded.length} still open`,
    closed.length === 0 ? [] : `${closed.length} over`,
  ].flat();
  return `${about}: ${counted(opened.length + worse.length + reminded.length + closed.length, "finding")}: ${parts.join(", ")}.`;
}

function openItems(alerts: readonly Alert[], now: Date): Item[] {
  return alerts.toSorted(compareAlerts).map((alert) => openItem(alert, now));
}

function openItem({ finding, openedAt }: Alert, now: Date): Item {
  const { severity, message, hint } = finding;
  const age = elapsed(now, openedAt);
  const since = Number.isFinite(age) && age >= 60_000 ? [`known for ${formatDuration(age)}`] : [];
  const evidence = evidenceOf(finding);
  return {
    headline: `${severity}: ${message}`,
    lines: [
      ...(evidence === "" ? [] : [evidence]),
      ...since,
      ...(hint === null ? [] : [`what to do: ${hint}`]),
    ],
  };
}

function closedItem({ finding, openedAt, goneSince, closedAt }: Alert): Item {
  const lasted = Date.parse(goneSince ?? closedAt ?? openedAt) - Date.parse(openedAt);
  return { headline: finding.message, lines: [`it lasted ${formatDuration(Math.max(lasted, 0))}`] };
}

function evidenceOf({ evidence }: Finding): string {
  return Object.entries(evidence)
    .map(([name, value]) => `${inWords(name)}: ${value ?? "unknown"}`)
    .join(" · ");
}

/** `dataAtRisk` → `data at risk`. */
function inWords(name: string): string {
  return name.replaceAll(/(?<=[a-z0-9])[A-Z](?![A-Z])/g, (letter) => ` ${letter.toLowerCase()}`);
}

function forPrograms({ finding, openedAt, closedAt }: Alert): object {
  return { ...finding, openedAt, closedAt };
}

/** The worst first. */
function compareAlerts({ finding: a }: Alert, { finding: b }: Alert): number {
  return isWorse(a.severity, b.severity) ? -1 : isWorse(b.severity, a.severity) ? 1 : 0;
}

function worstOf(alerts: readonly Alert[]): Severity | undefined {
  return alerts.toSorted(compareAlerts)[0]?.finding.severity;
}
