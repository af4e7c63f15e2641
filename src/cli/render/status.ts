import type { Finding } from "../../health/finding.ts";
import type { Health } from "../../health/health.ts";
import type { ProviderView } from "../../health/provider-view.ts";
import type { RecoveryPoint } from "../../health/recovery-points.ts";
import type { DatabaseStatus } from "../../health/status.ts";
import { formatBytes, formatCount, formatDuration } from "../../lib/text.ts";
import type { BackupIndex } from "../../repository/manifest.ts";
import type { FindingJson, StatusJson } from "../../json/status.ts";
import type { Output } from "../output.ts";
import { indexJson } from "./backup.ts";
import { providerViewJson } from "./provider-backup.ts";
import { renderTable } from "./table.ts";
import { formatAge, formatTime } from "./time.ts";

type Entry = DatabaseStatus["entries"][number];

export function statusJson({ healthy, databases, findings }: Health): StatusJson {
  return {
    healthy,
    problems: findings.filter(isProblem).map(findingJson),
    notices: findings.filter((one) => !isProblem(one)).map(findingJson),
    databases: databases.map((status) => ({
      database: status.database,
      criticality: status.criticality,
      known: status.known,
      healthy: status.healthy,
      degraded: status.degraded,
      problems: status.findings.filter(isProblem).map(findingJson),
      notices: status.findings.filter((one) => !isProblem(one)).map(findingJson),
      newest: status.newest === null ? null : indexJson(status.newest),
      newestPoint: pointJson(status.live.newestPoint),
      dataAtRiskMs: status.live.dataAtRiskMs,
      newestProven: status.live.newestProven?.id ?? null,
      provenPoint: pointJson(status.live.provenPoint),
      provenAtRiskMs: status.live.provenAtRiskMs,
      provider: providerViewJson(status.provider),
      timeToRecover: status.live.timeToRecover,
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

function pointJson(point: RecoveryPoint | null): StatusJson["databases"][number]["newestPoint"] {
  return point && { ...point, at: point.at.toISOString() };
}

const isProblem = ({ severity }: Finding): boolean => severity !== "notice";

function findingJson({ id, severity, subject, message, hint, evidence }: Finding): FindingJson {
  return { id, severity, subject, message, hint, evidence };
}

export function renderStatus(output: Output, health: Health, now: Date, timeZone: string): string {
  const { databases: statuses } = health;
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
  const providerRow = ({ backups, error }: ProviderView): string[] => {
    const [newest] = backups;
    const none = error === null ? "none" : "?";
    const size = newest === undefined ? none : formatBytes(newest.bytes);
    const cells = [newest === undefined ? none : formatTime(newest.createdAt, timeZone), "", ""];
    return [
      "  the managed service's",
      "",
      ...cells,
      error === null ? formatCount(backups.length) : "?",
      size,
      "",
    ];
  };
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
        status.live.dataAtRiskMs === null ? "?" : formatDuration(Math.max(0, status.live.dataAtRiskMs)),
        status.rpoMs === null ? "-" : formatDuration(status.rpoMs),
        told(status, formatCount(status.backups)),
        told(status, formatBytes(status.storedBytes)),
        nextCell(status.entries),
      ],
      ...(status.entries.length < 2 ? [] : status.entries.map((entry) => entryRow(status, entry))),
      ...(status.provider === null ? [] : [providerRow(status.provider)]),
    ]),
    output.width,
  );
  const windowLine = ({ database, provider }: DatabaseStatus): string[] =>
    provider === null || provider.error !== null || provider.backups.length === 0
      ? []
      : [
          `${database}: any moment since ${formatTime(provider.windowFrom, timeZone)} is assumed to be at its managed service, which does not tell`,
        ];
  const findings = [...statuses.flatMap((status) => status.findings), ...health.findings];
  const lines = BY_SEVERITY.flatMap((severity) =>
    findings.filter((one) => one.severity === severity).flatMap((one) => findingLines(output, one)),
  );
  const measured = statuses.some(({ known }) => known) ? ["", renderLive(output, statuses, timeZone)] : [];
  return [
    table,
    ...statuses.flatMap(windowLine),
    ...measured,
    ...(lines.length === 0 ? [] : ["", ...lines]),
  ].join("\n");
}

/** How much would be lost, and for how long, as far as it was shown. */
function renderLive(output: Output, statuses: readonly DatabaseStatus[], timeZone: string): string {
  const time = (ms: number | null): string => (ms === null ? "-" : formatDuration(Math.max(0, ms)));
  return renderTable(
    [
      { title: "DATABASE" },
      { title: "NEWEST PROVEN" },
      { title: "AT RISK IF ONLY PROVEN", right: true },
      { title: "RESTORE MEASURED", right: true },
      { title: "PREDICTED", right: true },
      { title: "RTO", right: true },
    ],
    statuses.map(({ database, live, rtoMs }) => [
      database,
      live.provenPoint === null ? "none" : formatTime(live.provenPoint.at, timeZone),
      time(live.provenAtRiskMs),
      time(live.timeToRecover.measuredMs),
      time(live.timeToRecover.predictedMs),
      time(rtoMs),
    ]),
    output.width,
  );
}

const BY_SEVERITY = ["critical", "warning", "notice"] as const;

function findingLines(output: Output, { database, severity, message, hint }: Finding): string[] {
  const sign = severity === "notice" ? output.paint("yellow", "!") : output.paint("red", "✗");
  const of = database === null ? "" : `${output.paint("bold", database)}: `;
  return [
    `${sign} ${of}${message}`,
    ...(hint === null ? [] : [`  ${output.paint("cyan", "hint:")} ${hint}`]),
  ];
}
