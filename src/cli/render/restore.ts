import type { RestoreJson } from "../../json/restore.ts";
import { counted, formatBytes, formatDuration } from "../../lib/text.ts";
import type { RestorePreview, RestoreReport } from "../../operations/restore/request.ts";
import type { UndoPreview, UndoReport } from "../../operations/restore/undo.ts";
import type { Output } from "../output.ts";
import type { Target } from "../targets.ts";
import { formatTime } from "./time.ts";

/** What is about to happen, line by line, before a person agrees to it. */
export function previewText(preview: RestorePreview, timeZone: string): string[] {
  const { source, snapshotAt, refilled } = preview;
  const at = snapshotAt === null ? "" : `, data as of ${formatTime(snapshotAt, timeZone)} (${timeZone})`;
  return [
    `from ${source}${at}: ${describePart(preview)}, ${CHECKED[preview.checked]}`,
    ...(refilled === 0 || preview.part === "unknown"
      ? []
      : [`filled anew from other tables: ${viewsOf(preview)}`]),
    preview.replaces
      ? `in place of ${preview.target}; the present database is kept beside it`
      : `into ${preview.target}`,
    ...estimateText(preview),
  ];
}

/** Nothing of an archive of which nothing is known. */
function estimateText({ bytes, time: { predictedMs, basis } }: RestorePreview): string[] {
  if (bytes === null) return [];
  const size = `${formatBytes(bytes)} before compression`;
  return predictedMs === null
    ? [`${size}; how long that takes was not measured yet`]
    : [`${size}: about ${formatDuration(predictedMs)}, by the ${basis}`];
}

const CHECKED: Readonly<Record<RestorePreview["checked"], string>> = {
  whole: "checked whole",
  parts: "every part is there, what is in them is checked while it is loaded",
};

const viewsOf = ({ refilled }: RestorePreview): string => counted(refilled, "materialized view");

function describePart({ rows, tables, part, schemas }: RestorePreview): string {
  const only = schemas === null ? "" : `; the backup has only ${schemas.join(", ")}`;
  const content = `${counted(rows, "row")} in ${counted(tables, "table")}`;
  switch (part) {
    case "whole":
      return `${content}${only}`;
    case "chosen":
      return `the chosen ${content}`;
    case "unknown":
      return `what is chosen of ${content}`;
  }
}

export function restoreJson(database: string, { preview, done }: RestoreReport): RestoreJson {
  return {
    database,
    source: preview.source,
    snapshotAt: preview.snapshotAt?.toISOString() ?? null,
    target: preview.target,
    replaces: preview.replaces,
    dryRun: done === null,
    restoredInto: done?.restoredInto ?? null,
    tables: done?.tables ?? preview.tables,
    rows: done?.rows ?? preview.rows,
    bytes: preview.bytes,
    estimatedMs: preview.time.predictedMs,
    estimatedBy: preview.time.basis,
    durationMs: done?.durationMs ?? null,
    before: done?.swap?.before ?? null,
    dropAfter: done?.swap?.dropAfter.toISOString() ?? null,
    endedSessions: done?.swap?.endedSessions ?? null,
  };
}

/** @param undo the command that takes a swap back */
export function renderRestore(
  output: Output,
  target: Target,
  { preview, done }: RestoreReport,
  undo: string,
): string {
  if (done === null) {
    return [
      "Nothing was changed (dry run). This would be restored:",
      ...previewText(preview, target.timeZone),
    ]
      .map((line, index) => (index === 0 ? line : `  ${line}`))
      .join("\n");
  }
  const check = output.paint("green", "✓");
  const rows = `${counted(done.rows, "row")} in ${counted(done.tables, "table")}, each table compared with the backup`;
  const head = `${check} ${output.paint("bold", target.name)} is restored in ${formatDuration(done.durationMs)}`;
  const content = [
    `  Content   ${rows}`,
    ...(preview.refilled === 0 || preview.part === "unknown"
      ? []
      : [`  Views     ${viewsOf(preview)} filled anew from other tables, not compared`]),
  ];
  if (done.swap === null) return [head, `  Database  ${done.restoredInto}`, ...content].join("\n");
  return [
    head,
    `  In place  ${done.restoredInto}`,
    ...content,
    `  Sessions  ${endedText(done.swap.endedSessions)}`,
    `  Before    ${done.swap.before}, kept until ${formatTime(done.swap.dropAfter, target.timeZone)}`,
    `  Undo      ${undo}`,
  ].join("\n");
}

function endedText(sessions: number): string {
  return sessions === 0 ? "none had to be ended" : `${counted(sessions, "session")} of others ended`;
}

export function undoText(preview: UndoPreview, timeZone: string): string[] {
  const rows = preview.laterWrites.reduce((sum, table) => sum + table.rows, 0);
  const tables = preview.laterWrites
    .slice(0, 10)
    .map((table) => `  ${table.schema}.${table.name}: ${counted(table.rows, "row")}`);
  return [
    `${preview.before} takes the place of ${preview.database}, which was swapped in on ${formatTime(preview.swappedAt, timeZone)} from ${preview.by}`,
    rows === 0
      ? "no row that is in it was written since; deleted rows leave no trace to count"
      : `${counted(rows, "row")} written since the swap (deletions not counted) would be set aside with it:`,
    ...tables,
  ];
}

export function undoJson({ preview, done, undone, endedSessions }: UndoReport): Record<string, unknown> {
  return { ...preview, dryRun: !done, undone, endedSessions: done ? endedSessions : null };
}

export function renderUndo(
  output: Output,
  { preview, done, undone, endedSessions }: UndoReport,
  timeZone: string,
): string {
  if (!done) {
    return [
      "Nothing was changed (dry run). This would be done:",
      ...undoText(preview, timeZone).map((line) => `  ${line}`),
    ].join("\n");
  }
  return [
    `${output.paint("green", "✓")} ${output.paint("bold", preview.database)} is again what it was before the swap`,
    `  Sessions   ${endedText(endedSessions)}`,
    ...(undone === null ? [] : [`  Set aside  ${undone}`]),
  ].join("\n");
}
