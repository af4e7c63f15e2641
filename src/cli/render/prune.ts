import { counted, formatBytes, formatDuration } from "../../lib/text.ts";
import type { PruneDecision, PruneResult } from "../../operations/prune.ts";
import type { ReplacedDatabase } from "../../operations/replaced.ts";
import type { GarbageJson, PruneJson } from "../../json/backup.ts";
import type { Output } from "../output.ts";
import { indexJson, kindCell } from "./backup.ts";
import { renderTable } from "./table.ts";
import { formatAge, formatTime, timeFormat } from "./time.ts";

/** What pruning did, or would do, to one database. */
export interface PruneReport extends PruneResult {
  readonly database: string;
  /** Name of the place that was pruned. */
  readonly repository: string;
  /** How long parts that no backup needs stay, in milliseconds. */
  readonly garbageAgeMs: number;
  /** Null where the server was not asked. */
  readonly replaced: readonly ReplacedDatabase[] | null;
}

export function pruneJson(reports: readonly PruneReport[], dryRun: boolean): PruneJson {
  return {
    dryRun,
    databases: reports.map(({ replaced, ...report }) => ({
      database: report.database,
      repository: report.repository,
      backups: report.decisions.map(({ backup, keep, damaged, reasons }) => ({
        ...indexJson(backup),
        keep,
        damaged,
        reasons: [...reasons],
      })),
      deleted: goingOf(report.decisions).length,
      freedBytes: freedBy(report),
      garbage: garbageJson(report),
      replaced:
        replaced?.map(({ expired, of, bytes, ...each }) => ({
          database: each.database,
          of,
          replacedAt: each.replacedAt.toISOString(),
          dropAfter: each.dropAfter.toISOString(),
          bytes,
          dropped: expired,
        })) ?? null,
    })),
  };
}

export function renderPrune(
  output: Output,
  reports: readonly PruneReport[],
  dryRun: boolean,
  now: Date,
  timeZone: string,
): string {
  const several = new Set(reports.map(({ repository }) => repository)).size > 1;
  return reports
    .map((report) => {
      const title = several ? `${report.database} in ${report.repository}` : report.database;
      return renderReport(output, title, report, dryRun, now, timeZone);
    })
    .join("\n\n");
}

function renderReport(
  output: Output,
  title: string,
  report: PruneReport,
  dryRun: boolean,
  now: Date,
  timeZone: string,
): string {
  const { decisions, replaced } = report;
  const formatTime = timeFormat(timeZone);
  const table = renderTable(
    [
      { title: "ID" },
      { title: "TAKEN" },
      { title: "AGE", right: true },
      { title: "KIND" },
      { title: "SIZE", right: true },
      { title: "" },
      { title: "WHY" },
    ],
    decisions.map(({ backup, keep, reasons }) => {
      const taken = new Date(backup.snapshotAt);
      return [
        backup.id,
        formatTime(taken),
        formatAge(taken, now),
        kindCell(backup),
        formatBytes(backup.totals.storedBytes),
        keep ? output.paint("green", "keep") : output.paint("red", "delete"),
        reasons.join(", "),
      ];
    }),
    output.width,
  );
  const going = goingOf(decisions).length;
  const done = dryRun ? "would be deleted" : "deleted";
  // What snapshots free is said below, where their parts are.
  const size = report.archiveBytes === 0 ? "" : ` (archives: ${formatBytes(report.archiveBytes)})`;
  return [
    output.paint("bold", title),
    decisions.length === 0 ? "no backups" : table,
    `${counted(going, "backup")} ${done}${size}, ${counted(decisions.length - going, "backup")} kept`,
    ...describeLocked(decisions),
    ...describeGarbage(report, dryRun),
    ...(replaced ?? []).map((each) => describeReplaced(each, dryRun, now, timeZone)),
  ].join("\n");
}

function describeLocked(decisions: readonly PruneDecision[]): string[] {
  const ends = decisions.flatMap(({ locked }) => (locked === undefined ? [] : [locked.getTime()]));
  if (ends.length === 0) return [];
  const last = new Date(Math.max(...ends)).toISOString();
  return [
    `${counted(ends.length, "backup")} of those would go, and cannot before their locks end: the last on ${last}`,
  ];
}

function garbageJson({ garbage: { noted, waiting, deleted, locked, refused } }: PruneResult): GarbageJson {
  const until = locked.until?.toISOString() ?? null;
  return { noted, waiting, deleted, locked: { ...locked, until }, refused: [...refused] };
}

function describeGarbage({ garbage, garbageAgeMs }: PruneReport, dryRun: boolean): string[] {
  const { noted, waiting, deleted, locked, refused } = garbage;
  const partsOf = ({ objects, bytes }: typeof noted): string =>
    `${counted(objects, "part")} that no backup needs (${formatBytes(bytes)})`;
  const lines: string[] = [];
  if (deleted.objects > 0) lines.push(`${partsOf(deleted)} ${dryRun ? "would be deleted" : "deleted"}`);
  if (noted.objects > 0) {
    const then = `${dryRun ? "would be noted" : "noted"}, to be deleted by a run in ${formatDuration(garbageAgeMs)} or later`;
    lines.push(`${partsOf(noted)} ${then}`);
  }
  if (locked.until !== undefined)
    lines.push(
      `${partsOf(locked)} locked, the last until ${locked.until.toISOString()}: left to a later run`,
    );
  if (waiting.objects > 0) lines.push(`${partsOf(waiting)} noted before, and waiting`);
  return [...lines, ...refused.map((reason) => `no part ${dryRun ? "would be" : "is"} deleted: ${reason}`)];
}

function describeReplaced(
  { database, expired, dropAfter, bytes }: ReplacedDatabase,
  dryRun: boolean,
  now: Date,
  timeZone: string,
): string {
  const size = bytes === null ? "" : ` (${formatBytes(bytes)})`;
  const until = `its lifetime ends ${formatTime(dropAfter, timeZone)} (${formatAge(dropAfter, now)})`;
  if (!expired) return `the replaced database ${database}${size} stays on the server: ${until}`;
  return dryRun
    ? `the replaced database ${database}${size} would be dropped: its lifetime is over`
    : `the replaced database ${database}${size} is dropped: its lifetime was over`;
}

function goingOf(decisions: readonly PruneDecision[]): PruneDecision[] {
  return decisions.filter(({ keep }) => !keep);
}

function freedBy({ archiveBytes, garbage }: PruneResult): number {
  return archiveBytes + garbage.noted.bytes;
}
