import { counted, formatBytes, formatDuration } from "../../lib/text.ts";
import type { ExportReport } from "../../operations/export.ts";
import type { ExportJson } from "../../json/restore.ts";
import type { Output } from "../output.ts";

export function exportJson(
  report: ExportReport,
  { format, compression }: Pick<ExportJson, "format" | "compression">,
  durationMs: number,
): ExportJson {
  const { path: file, ...rest } = report;
  return { ...rest, file, format, compression, durationMs };
}

export function renderExport(
  output: Output,
  { path, size, tables, rows }: ExportReport,
  durationMs: number,
): string {
  const label = (text: string): string => output.paint("dim", text.padEnd(7));
  return [
    `${output.paint("green", "✓")} ${output.paint("bold", path)} is written in ${formatDuration(durationMs)}`,
    `  ${label("Size")}  ${formatBytes(size)}`,
    `  ${label("Content")}  ${counted(rows, "row")} in ${counted(tables, "table")}, read back and compared with the backup`,
  ].join("\n");
}
