import type { PlacesReport } from "../../operations/backup-places.ts";
import { counted, formatBytes, formatCount, formatDuration } from "../../lib/text.ts";
import type { BackupIndex, SnapshotIndex } from "../../repository/manifest.ts";
import type { BackupReportJson } from "../../json/backup.ts";
import type { BackupJson } from "../../json/common.ts";
import type { Output } from "../output.ts";
import { placeJson, placeLines } from "./copy.ts";

/** One backup as `--json` gives it everywhere: fields are added, never renamed. */
export function indexJson(index: BackupIndex): BackupJson {
  return {
    id: index.id,
    database: index.database,
    kind: index.kind,
    ...archiveJson(index),
    schedule: index.schedule,
    snapshotAt: index.snapshotAt,
    finishedAt: index.finishedAt,
    durationMs: index.durationMs,
    schemas: index.schemas,
    tables: index.totals.tables,
    rows: index.totals.rows,
    bytes: index.totals.bytes,
    storedBytes: index.totals.storedBytes,
    serverVersion: index.server.version,
    parts: index.kind === "snapshot" ? index.snapshot.parts : null,
  };
}

function archiveJson(index: BackupIndex): Pick<BackupJson, "format" | "compression" | "archive" | "sha256"> {
  if (index.kind === "snapshot") return { format: null, compression: null, archive: null, sha256: null };
  const { format, compression, key, sha256 } = index.archive;
  return { format, compression, archive: key, sha256 };
}

/** For a table: `archive plain`, `snapshot, only sales`. */
export function kindCell(index: BackupIndex): string {
  const kind = index.kind === "archive" ? `${index.kind} ${index.archive.format}` : index.kind;
  return index.schemas === null ? kind : `${kind}, only ${schemasText(index.schemas)}`;
}

// What fits beside the other columns; `--json` and `handled show` have all.
const MOST_SCHEMAS = 3;

function schemasText(schemas: readonly string[]): string {
  const more = schemas.length - MOST_SCHEMAS;
  const first = schemas.slice(0, MOST_SCHEMAS).join(", ");
  return more > 0 ? `${first} and ${formatCount(more)} more` : first;
}

/** `archive, plain, gzip`. */
export function describeKind(index: BackupIndex): string {
  if (index.kind === "snapshot") return index.kind;
  return `${index.kind}, ${index.archive.format}, ${index.archive.compression}`;
}

export function backupJson(report: PlacesReport): BackupReportJson {
  return {
    ...indexJson(report.index),
    location: report.location,
    sample: report.index.kind === "snapshot" ? report.index.snapshot.sample : null,
    fullRead: report.index.kind === "snapshot" ? report.index.snapshot.fullRead : null,
    latest: report.latest,
    file: report.file,
    totalBackups: report.totalBackups,
    totalBytes: report.totalBytes,
    deleted: report.deleted.map((backup) => backup.id),
    degraded: report.degraded,
    places: report.places.map((place) => placeJson(place)),
  };
}

/** What a snapshot read, and what it did not have to. */
function readLines({ snapshot }: SnapshotIndex): [string, string][] {
  const { parts, readBytes, reusedBytes, sample, fullRead } = snapshot;
  return [
    [
      "Read",
      `${counted(parts.read, "part")}, ${formatBytes(readBytes)}${fullRead === null ? "" : `: ${fullRead}`}`,
    ],
    [
      "Reused",
      `${counted(parts.reused, "part")}, ${formatBytes(reusedBytes)}` +
        (sample.read === 0 ? "" : `; ${counted(sample.read, "range")} of it read again to see`),
    ],
  ];
}

/** The summary at the end of a backup. */
export function renderBackup(output: Output, name: string, report: PlacesReport): string {
  const { index } = report;
  const { rows, tables, bytes, storedBytes } = index.totals;
  const lines: [string, string][] = [
    ["Backup", `${index.id} (${describeKind(index)})`],
    ["Location", report.location],
    ...(report.latest === null ? [] : [["Latest", report.latest] as [string, string]]),
    ...(report.file === null ? [] : [["Copy", report.file] as [string, string]]),
    [
      "Content",
      `${counted(rows, "row")} in ${counted(tables, "table")}${index.kind === "archive" ? ", each counted in the dump as read back" : ""}`,
    ],
    ...(index.kind === "snapshot" ? readLines(index) : []),
    [
      "Size",
      `${index.kind === "snapshot" ? "added " : ""}${formatBytes(storedBytes)} (${formatBytes(bytes)} before compression) in ${formatDuration(index.durationMs)}`,
    ],
    ["Total backups", formatCount(report.totalBackups)],
    ["Total size", formatBytes(report.totalBytes)],
    ["Old ones deleted", formatCount(report.deleted.length)],
  ];
  const width = Math.max(...lines.map(([label]) => label.length));
  return [
    `${output.paint("green", "✓")} ${output.paint("bold", name)} is backed up`,
    ...lines.map(([label, value]) => `  ${output.paint("dim", label.padEnd(width))}  ${value}`),
    ...(report.places.length < 2
      ? []
      : placeLines(output, index.database, false, report.places).map((line) => `  ${line}`)),
  ].join("\n");
}
