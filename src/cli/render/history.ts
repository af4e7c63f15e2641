import { formatBytes, formatCount, formatDuration } from "../../lib/text.ts";
import type { History } from "../../operations/history.ts";
import type { RunFile } from "../../repository/run-file.ts";
import type { HistoryJson } from "../../json/history.ts";
import type { Output } from "../output.ts";
import { renderTable } from "./table.ts";
import { formatAge, timeFormat } from "./time.ts";

export function historyJson({ database, runs, more, failures }: History): HistoryJson {
  return {
    database,
    runs: runs.map((run) => {
      const { id, operation, entry, startedAt, finishedAt, outcome, backup, figures, summary, error } = run;
      const { host, user } = run.by;
      return {
        id,
        operation,
        entry,
        startedAt,
        finishedAt,
        durationMs: durationOf(run),
        outcome,
        backup,
        ...figures,
        summary,
        error,
        host,
        user,
        program: run.program,
      };
    }),
    more,
    unread: failures.map(({ message }) => message),
  };
}

export function renderHistory(
  output: Output,
  { database, runs, more }: History,
  { now, timeZone }: { readonly now: Date; readonly timeZone: string },
): string {
  const title = output.paint("bold", database);
  if (runs.length === 0) return `${title}\nnothing of this is recorded`;
  const formatTime = timeFormat(timeZone);
  const table = renderTable(
    [
      { title: "BEGAN" },
      { title: "AGE", right: true },
      { title: "OPERATION" },
      { title: "OUTCOME" },
      { title: "TOOK", right: true },
      { title: "BACKUP" },
      { title: "ROWS", right: true },
      { title: "SIZE", right: true },
      { title: "BY" },
      { title: "WHAT" },
    ],
    runs.flatMap((run) => rowsOf(output, run, now, formatTime)),
  );
  return [title, table, ...(more ? ["older ones are shown with `--last NUMBER`"] : [])].join("\n");
}

/** One run, and under it what to do about its failure. */
function rowsOf(output: Output, run: RunFile, now: Date, formatTime: (at: Date) => string): string[][] {
  const { startedAt, operation, entry, backup, figures, by, summary, error } = run;
  const began = new Date(startedAt);
  const took = durationOf(run);
  const row = [
    formatTime(began),
    formatAge(began, now),
    entry === null ? operation : `${operation} (${entry})`,
    outcomeCell(output, run),
    took === null ? "-" : formatDuration(took),
    backup ?? "-",
    figures.rows === null ? "-" : formatCount(figures.rows),
    figures.storedBytes === null ? "-" : formatBytes(figures.storedBytes),
    `${by.user}@${by.host}`,
    [summary, ...(error === null ? [] : [error.message])].filter((text) => text !== "").join(": "),
  ];
  if (error === null || error.hint === null) return [row];
  return [row, [...row.slice(1).map(() => ""), `hint: ${error.hint}`]];
}

function outcomeCell(output: Output, { outcome, by }: RunFile): string {
  switch (outcome) {
    case "done":
      return output.paint("green", "✓ done");
    case "degraded":
      return output.paint("yellow", "! degraded");
    case "failed":
      return output.paint("red", "✗ failed");
    case "interrupted":
      return output.paint("red", "✗ interrupted");
    case null:
      return `running (process ${by.pid})`;
  }
}

function durationOf({ startedAt, finishedAt }: RunFile): number | null {
  return finishedAt === null ? null : Math.max(0, Date.parse(finishedAt) - Date.parse(startedAt));
}
