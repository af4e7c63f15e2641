import { formatBytes, formatCount, formatDuration } from "../../lib/text.ts";
import type { DatabaseStatus } from "../../operations/status.ts";
import type { StatusJson } from "../json.ts";
import type { Output } from "../output.ts";
import { indexJson } from "./backup.ts";
import { renderTable } from "./table.ts";
import { formatAge, formatTime } from "./time.ts";

export function statusJson(statuses: readonly DatabaseStatus[]): StatusJson {
  return {
    healthy: statuses.every(({ healthy }) => healthy),
    databases: statuses.map((status) => ({
      database: status.database,
      criticality: status.criticality,
      healthy: status.healthy,
      problems: status.problems.map(({ message, hint }) => ({ message, hint })),
      newest: status.newest === null ? null : indexJson(status.newest),
      dataAtRiskMs: status.dataAtRiskMs,
      rpoMs: status.rpoMs,
      rtoMs: status.rtoMs,
      backups: status.backups,
      storedBytes: status.storedBytes,
      nextRun: status.nextRun?.toISOString() ?? null,
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
    statuses.map(({ newest, nextRun, ...status }) => [
      status.database,
      status.healthy ? output.paint("green", "✓ healthy") : output.paint("red", "✗ unhealthy"),
      newest === null ? "-" : formatTime(new Date(newest.snapshotAt), timeZone),
      status.dataAtRiskMs === null ? "?" : formatDuration(Math.max(0, status.dataAtRiskMs)),
      status.rpoMs === null ? "-" : formatDuration(status.rpoMs),
      formatCount(status.backups),
      formatBytes(status.storedBytes),
      nextRun === null ? "-" : `${formatTime(nextRun, timeZone)} (${formatAge(nextRun, now)})`,
    ]),
  );
  const problems = statuses.flatMap(({ database, problems: found }) =>
    found.flatMap(({ message, hint }) => [
      `${output.paint("red", "✗")} ${output.paint("bold", database)}: ${message}`,
      ...(hint === null ? [] : [`  ${output.paint("cyan", "hint:")} ${hint}`]),
    ]),
  );
  return [table, ...(problems.length === 0 ? [] : ["", ...problems])].join("\n");
}
