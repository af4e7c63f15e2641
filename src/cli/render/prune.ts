import { counted, formatBytes } from "../../lib/text.ts";
import type { PruneDecision } from "../../operations/prune.ts";
import type { ReplacedDatabase } from "../../operations/replaced.ts";
import type { PruneJson } from "../json.ts";
import type { Output } from "../output.ts";
import { indexJson } from "./backup.ts";
import { renderTable } from "./table.ts";
import { formatAge, formatTime } from "./time.ts";

/** What pruning did, or would do, to one database. */
export interface PruneReport {
  readonly database: string;
  readonly decisions: readonly PruneDecision[];
  /** Null where the server was not asked. */
  readonly replaced: readonly ReplacedDatabase[] | null;
}

export function pruneJson(reports: readonly PruneReport[], dryRun: boolean): PruneJson {
  return {
    dryRun,
    databases: reports.map(({ database, decisions, replaced }) => ({
      database,
      backups: decisions.map(({ backup, keep, damaged, reasons }) => ({
        ...indexJson(backup),
        keep,
        damaged,
        reasons: [...reasons],
      })),
      deleted: goingOf(decisions).length,
      freedBytes: freedBy(decisions),
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
  return reports.map((report) => renderReport(output, report, dryRun, now, timeZone)).join("\n\n");
}

function renderReport(
  output: Output,
  { database, decisions, replaced }: PruneReport,
  dryRun: boolean,
  now: Date,
  timeZone: string,
): string {
  const table = renderTable(
    [
      { title: "ID" },
      { title: "TAKEN" },
      { title: "AGE", right: true },
      { title: "SIZE", right: true },
      { title: "" },
      { title: "WHY" },
    ],
    decisions.map(({ backup, keep, reasons }) => {
      const taken = new Date(backup.snapshotAt);
      return [
        backup.id,
        formatTime(taken, timeZone),
        formatAge(taken, now),
        formatBytes(backup.totals.storedBytes),
        keep ? output.paint("green", "keep") : output.paint("red", "delete"),
        reasons.join(", "),
      ];
    }),
  );
  const going = goingOf(decisions).length;
  const done = dryRun ? "would be deleted" : "deleted";
  return [
    output.paint("bold", database),
    decisions.length === 0 ? "no backups" : table,
    `${counted(going, "backup")} ${done} (${formatBytes(freedBy(decisions))}), ${counted(decisions.length - going, "backup")} kept`,
    ...(replaced ?? []).map((each) => describeReplaced(each, dryRun, now, timeZone)),
  ].join("\n");
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

function freedBy(decisions: readonly PruneDecision[]): number {
  return goingOf(decisions).reduce((sum, { backup }) => sum + backup.totals.storedBytes, 0);
}
