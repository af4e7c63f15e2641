import { counted, formatDuration } from "../../lib/text.ts";
import type { RestorePreview, RestoreReport } from "../../operations/restore/request.ts";
import type { UndoPreview, UndoReport } from "../../operations/restore/undo.ts";
import type { Output } from "../output.ts";
import type { Target } from "../targets.ts";
import { formatTime } from "./time.ts";

/** What is about to happen, line by line, before a person agrees to it. */
export function previewText(preview: RestorePreview, timeZone: string): string[] {
  const from =
    preview.snapshotAt === null
      ? ""
      : `, data as of ${formatTime(preview.snapshotAt, timeZone)} (${timeZone})`;
  return [
    `from ${preview.source}${from}: ${counted(preview.rows, "row")} in ${counted(preview.tables, "table")}, ${preview.checked === "whole" ? "checked whole" : "every part is there"}`,
    preview.replaces
      ? `in place of ${preview.target}; the present database is kept beside it`
      : `into ${preview.target}`,
  ];
}

export function restoreJson(database: string, { preview, done }: RestoreReport): Record<string, unknown> {
  return {
    database,
    source: preview.source,
    snapshotAt: preview.snapshotAt,
    target: preview.target,
    replaces: preview.replaces,
    dryRun: done === null,
    restoredInto: done?.restoredInto ?? null,
    tables: done?.tables ?? preview.tables,
    rows: done?.rows ?? preview.rows,
    durationMs: done?.durationMs ?? null,
    before: done?.swap?.before ?? null,
    dropAfter: done?.swap?.dropAfter ?? null,
  };
}

export function renderRestore(output: Output, target: Target, { preview, done }: RestoreReport): string {
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
  if (done.swap === null) return [head, `  Database  ${done.restoredInto}`, `  Content   ${rows}`].join("\n");
  return [
    head,
    `  In place  ${done.restoredInto}`,
    `  Content   ${rows}`,
    `  Before    ${done.swap.before}, kept until ${formatTime(done.swap.dropAfter, target.timeZone)}`,
    `  Undo      handled restore ${target.name} --undo`,
  ].join("\n");
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

export function undoJson({ preview, done, undone }: UndoReport): Record<string, unknown> {
  return { ...preview, dryRun: !done, undone };
}

export function renderUndo(output: Output, { preview, done, undone }: UndoReport, timeZone: string): string {
  if (!done) {
    return [
      "Nothing was changed (dry run). This would be done:",
      ...undoText(preview, timeZone).map((line) => `  ${line}`),
    ].join("\n");
  }
  return [
    `${output.paint("green", "✓")} ${output.paint("bold", preview.database)} is again what it was before the swap`,
    ...(undone === null ? [] : [`  Set aside  ${undone}`]),
  ].join("\n");
}
