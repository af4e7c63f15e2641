import { nextRun } from "../config/schedule.ts";
import { counted, formatDuration } from "../lib/text.ts";
import type { RunFile } from "../repository/run-file.ts";
import { type Alert, elapsed } from "./alerts.ts";
import type { DigestFacts } from "./digest-facts.ts";
import type { Notice } from "./notice.ts";
import { type Item, noticeOf } from "./page.ts";

interface DigestContent {
  readonly facts: readonly DigestFacts[];
  /** Of all databases, and of none. */
  readonly open: readonly Alert[];
  /** What has changed in the runbook since the last one: lines of a diff; empty where nothing has. */
  readonly runbook: readonly string[];
  readonly since: Date;
  readonly now: Date;
  readonly host: string;
}

const MOST_FAILURES = 5;

/**
 * Whether a digest is due. One that was missed while nobody looked is made up once.
 * @param last when the last one was sent, or the first one began to be waited for
 */
export function isDigestDue(last: string, schedule: string, timeZone: string, now: Date): boolean {
  if (elapsed(now, last) === Infinity) return true;
  const next = nextRun(schedule, timeZone, new Date(last));
  return next !== null && next <= now;
}

/** What ran, what was proven and what is open. */
export function digestNotice({ facts, open, runbook, since, now, host }: DigestContent): Notice {
  const runs = facts.flatMap((one) => one.runs);
  const proofs = runs.filter(isProof).length;
  const backups = runs.filter(isBackup).length;
  const findings = open.length === 0 ? "nothing open" : `${counted(open.length, "finding")} open`;
  const time = formatDuration(now.getTime() - since.getTime());
  return noticeOf({
    subject: `handled on ${host}: ${counted(backups, "backup")}, ${proofs} proven, ${findings}`,
    severity: "notice",
    opening: `What happened within ${time}, to ${counted(facts.length, "database")}.`,
    sections: [
      { title: "Databases", items: facts.map((one) => databaseItem(one, now)) },
      { title: "Open", items: open.map((alert) => openItem(alert, now)) },
      { title: "Runbook", items: runbook.length === 0 ? [] : [runbookItem(runbook)] },
    ],
    closing: `Sent by handled on ${host}. \`handled history --since 7d\` and \`handled status\` say more.`,
    event: {
      event: "digest",
      database: null,
      host,
      since: since.toISOString(),
      databases: facts.map(forPrograms),
      open: open.map(({ finding, openedAt }) => ({ ...finding, openedAt })),
      runbook: runbook.length === 0 ? [] : runbookLines(runbook),
    },
  });
}

const isProof = ({ operation, outcome }: RunFile): boolean => operation === "verify" && outcome === "done";
const isBackup = ({ operation, outcome }: RunFile): boolean =>
  operation === "backup" && (outcome === "done" || outcome === "degraded");
const isFailure = ({ outcome }: RunFile): boolean => outcome === "failed" || outcome === "interrupted";

function databaseItem({ database, runs, lastProof, lastBackup, unread }: DigestFacts, now: Date): Item {
  if (unread !== null) return { headline: `${database}: nothing is known`, lines: [unread] };
  const failed = runs.filter(isFailure);
  const degraded = runs.filter(({ outcome }) => outcome === "degraded").length;
  const parts = [
    counted(runs.filter(isBackup).length, "backup"),
    `${runs.filter(isProof).length} proven`,
    ...(failed.length === 0 ? [] : [`${counted(failed.length, "run")} failed`]),
    ...(degraded === 0 ? [] : [`${counted(degraded, "run")} degraded`]),
  ];
  const more = failed.length - MOST_FAILURES;
  return {
    headline: `${database}: ${parts.join(", ")}`,
    lines: [
      `last backup: ${describe(lastBackup, now) ?? "none within a year"}`,
      `last proof: ${describe(lastProof, now) ?? `none within a year: \`handled verify ${database}\` makes one`}`,
      ...failed
        .slice(0, MOST_FAILURES)
        .map((run) => `${run.operation} ${run.outcome ?? ""}: ${run.error?.message ?? run.summary}`),
      ...(more > 0 ? [`and ${counted(more, "more failure")}: \`handled history ${database} --failed\``] : []),
    ],
  };
}

// A page of a mail; who wants more has the runbook itself.
const MOST_LINES = 60;
const LONGEST_LINE = 300;

function runbookItem(changes: readonly string[]): Item {
  return {
    headline: "it has changed since the last digest: print it anew, and put it where the old one is",
    lines: runbookLines(changes),
  };
}

function runbookLines(changes: readonly string[]): string[] {
  const more = changes.length - MOST_LINES;
  return [
    ...changes
      .slice(0, MOST_LINES)
      .map((line) => (line.length > LONGEST_LINE ? `${line.slice(0, LONGEST_LINE - 1)}…` : line)),
    ...(more > 0 ? [`and ${counted(more, "more line")}: \`handled runbook\``] : []),
  ];
}

/** `20241211T020000Z-0001, 5 h ago: archive of 12 tables`. */
function describe(run: RunFile | null, now: Date): string | undefined {
  if (run === null) return undefined;
  const age = elapsed(now, run.finishedAt ?? run.startedAt);
  return `${run.backup ?? "unnamed"}, ${formatDuration(age)} ago${run.summary === "" ? "" : `: ${run.summary}`}`;
}

function openItem({ finding, openedAt }: Alert, now: Date): Item {
  const { database, severity, message, hint } = finding;
  return {
    headline: `${database === null ? "" : `${database}: `}${severity}: ${message}`,
    lines: [
      `known for ${formatDuration(elapsed(now, openedAt))}`,
      ...(hint === null ? [] : [`what to do: ${hint}`]),
    ],
  };
}

function forPrograms({ database, runs, lastProof, lastBackup, unread }: DigestFacts): object {
  const short = (run: RunFile | null): object | null =>
    run === null ? null : { backup: run.backup, finishedAt: run.finishedAt, summary: run.summary };
  return {
    database,
    backups: runs.filter(isBackup).length,
    proofs: runs.filter(isProof).length,
    failures: runs.filter(isFailure).length,
    lastBackup: short(lastBackup),
    lastProof: short(lastProof),
    unread,
  };
}
