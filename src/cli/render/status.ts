import { formatBytes, formatCount, formatDuration } from "../../lib/text.ts";
import type { DatabaseStatus } from "../../operations/status.ts";
import type { BackupIndex } from "../../repository/manifest.ts";
import type { StatusJson } from "../json/look.ts";
import type { Output } from "../output.ts";
import { indexJson } from "./backup.ts";
import { renderTable } from "./table.ts";
import { formatAge, formatTime } from "./time.ts";

type Entry = DatabaseStatus["entries"][number];

export function statusJson(statuses: readonly DatabaseStatus[]): StatusJson {
  return {
    healthy: statuses.every(({ healthy }) => healthy),
    databases: statuses.map((status) => ({
      database: status.database,
      criticality: status.criticality,
      known: status.known,
      healthy: status.healthy,
      degraded: status.degraded,
      problems: status.problems.map(({ message, hint }) => ({ message, hint })),
      newest: status.newest === null ? null : indexJson(status.newest),
      dataAtRiskMs: status.dataAtRiskMs,
      rpoMs: status.rpoMs,
      rtoMs: status.rtoMs,
      backups: status.backups,
      storedBytes: status.storedBytes,
      nextRun: status.nextRun?.toISOString() ?? null,
      entries: status.entries.map(({ newest, nextRun, ...entry }) => ({
        ...entry,
        newest: newest?.snapshotAt ?? null,
        nextRun: nextRun?.toISOString() ?? null,
      })),
    })),
  };
}

export function renderStatus(
  output: Output,
  statuses: readonly DatabaseStatus[],
  now: Date,
  timeZone: string,
): string {
  if (statuses.length === 0) return "The repository holds no backups yet.";
  const takenAt = ({ snapshotAt }: BackupIndex): string => formatTime(new Date(snapshotAt), timeZone);
  const nextCell = (entries: readonly Entry[]): string => {
    const scheduled = entries.filter(({ nextRun }) => nextRun !== null);
    const runs = scheduled.flatMap(({ nextRun, installed }) => (installed === false ? [] : (nextRun ?? [])));
    const [next] = runs.toSorted((a, b) => a.getTime() - b.getTime());
    if (next !== undefined) return `${formatTime(next, timeZone)} (${formatAge(next, now)})`;
    return scheduled.length === 0 ? "-" : "not installed";
  };
  const told = ({ known }: DatabaseStatus, text: string): string => (known ? text : "?");
  const entryRow = (status: DatabaseStatus, entry: Entry): string[] => [
    `  ${entry.name} (${entry.kind})`,
    "",
    told(status, entry.newest === null ? "none" : takenAt(entry.newest)),
    "",
    "",
    told(status, formatCount(entry.backups)),
    told(status, formatBytes(entry.storedBytes)),
    nextCell([entry]),
  ];
  const table = renderTable(
    [
      { title: "DATABASE" },
      { title: "HEALTH" },
      { title: "NEWEST BACKUP" },
      { title: "AT RISK", right: true },
      { title: "RPO", right: true },
      { title: "BACKUPS", right: true },
      { title: "SIZE", right: true },
      { title: "NEXT RUN" },
    ],
    statuses.flatMap((status) => [
      [
        status.database,
        status.healthy ? output.paint("green", "✓ healthy") : output.paint("red", "✗ unhealthy"),
        told(status, status.newest === null ? "-" : takenAt(status.newest)),
        status.dataAtRiskMs === null ? "?" : formatDuration(Math.max(0, status.dataAtRiskMs)),
        status.rpoMs === null ? "-" : formatDuration(status.rpoMs),
        told(status, formatCount(status.backups)),
        told(status, formatBytes(status.storedBytes)),
        nextCell(status.entries),
      ],
      ...(status.entries.length < 2 ? [] : status.entries.map((entry) => entryRow(status, entry))),
    ]),
    output.width,
  );
  const problems = statuses.flatMap(({ database, problems: found }) =>
    found.flatMap(({ message, hint }) => [
      `${output.paint("red", "✗")} ${output.paint("bold", database)}: ${message}`,
      ...(hint === null ? [] : [`  ${output.paint("cyan", "hint:")} ${hint}`]),
    ]),
  );
  const isMissing = statuses.some(({ entries }) => entries.some(({ installed }) => installed === false));
  const missing = "not installed: nothing on this machine runs it; `handled schedule install` sees to that";
  return [table, ...(isMissing ? [missing] : []), ...(problems.length === 0 ? [] : ["", ...problems])].join(
    "\n",
  );
}
