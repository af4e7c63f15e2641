import { counted, formatDuration } from "../../lib/text.ts";
import type { ConfigCheckJson } from "../../json/setup.ts";
import type { Output } from "../output.ts";
import { renderTable } from "./table.ts";
import { formatAge, formatTime } from "./time.ts";

export function renderConfigCheck(output: Output, report: ConfigCheckJson, now: Date): string {
  const { path, databases, timeZone } = report;
  const rows = databases.flatMap((database) => {
    const { name, ...about } = describeDatabase(database);
    const first = [name, about.server, about.schemas, about.criticality, about.objectives];
    if (database.backups.length === 0) return [[...first, "none", "-", "-", "-"]];
    return database.backups.map((backup, index) => [
      ...(index === 0 ? first : first.map(() => "")),
      `${backup.name} (${backup.format === null ? backup.kind : `${backup.format}, ${backup.compression}`})`,
      backup.keep === null ? "everything" : describeKeep(backup.keep),
      backup.schedule ?? "by hand",
      backup.nextRun === null ? "-" : describeRun(new Date(backup.nextRun), now, timeZone),
    ]);
  });
  const titles = [
    "DATABASE",
    "SERVER",
    "SCHEMAS",
    "CRITICALITY",
    "RPO/RTO",
    "BACKUP",
    "KEEPS",
    "SCHEDULE",
    "NEXT RUN",
  ];
  return [
    `${output.paint("green", "✓")} ${path} is valid: ${counted(databases.length, "database")}, times are of ${timeZone}`,
    renderTable(
      titles.map((title) => ({ title })),
      rows,
      output.width,
    ),
  ].join("\n");
}

function describeDatabase(
  database: ConfigCheckJson["databases"][number],
): Record<"name" | "server" | "schemas" | "criticality" | "objectives", string> {
  return {
    name: database.database,
    server: database.server ?? "?",
    schemas: database.schemas?.join(", ") ?? "all",
    criticality: database.criticality,
    objectives: `${formatDuration(database.rpoMs)} / ${formatDuration(database.rtoMs)}`,
  };
}

function describeKeep(keep: Readonly<Record<string, number>>): string {
  return Object.entries(keep)
    .map(([rule, count]) => `${rule} ${count}`)
    .join(", ");
}

function describeRun(at: Date, now: Date, timeZone: string): string {
  return `${formatTime(at, timeZone)} (${formatAge(at, now)})`;
}
