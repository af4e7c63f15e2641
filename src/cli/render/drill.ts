import { counted, formatDuration } from "../../lib/text.ts";
import type { RecordedRecovery } from "../../repository/recoveries.ts";
import type { DrillJson } from "../../json/drill.ts";
import type { Output } from "../output.ts";
import { renderSteps } from "./recover.ts";
import { renderTable } from "./table.ts";
import { timeFormat } from "./time.ts";

/** What the strategy wants, in milliseconds; null where it says nothing. */
export interface RecoveryObjectives {
  readonly rtoMs: number | null;
  readonly rpoMs: number | null;
}

export function drillJson(recovery: RecordedRecovery, { rtoMs, rpoMs }: RecoveryObjectives): DrillJson {
  const { id, kind, scenario, databases, entry, startedAt, finishedAt, outcome, from, steps, by } = recovery;
  return {
    id,
    kind,
    scenario,
    databases: [...databases],
    entry,
    startedAt,
    finishedAt,
    outcome,
    from,
    steps: [...steps],
    rtoMs: recovery.rtoMs,
    budgetMs: recovery.budgetMs,
    objectiveRtoMs: rtoMs,
    dataLostMs: recovery.dataLostMs,
    objectiveRpoMs: rpoMs,
    error: recovery.error,
    notes: notesOf(recovery),
    host: by.host,
    user: by.user,
    program: recovery.program,
  };
}

/** The report of a drill that has ended. */
export function renderDrill(output: Output, drill: RecordedRecovery, objectives: RecoveryObjectives): string {
  const { id, scenario, databases, outcome, steps, rtoMs, budgetMs, dataLostMs, from, error } = drill;
  const what = `${scenario} of ${databases.join(", ")}`;
  const lines = [renderSteps(output, steps)];
  if (outcome === "done" && rtoMs !== null) {
    lines.push(`${output.paint("green", "✓")} drilled ${what}: back in ${formatDuration(rtoMs)}`);
    lines.push(
      `  budget ${against(output, rtoMs, budgetMs)}; RTO ${against(output, rtoMs, objectives.rtoMs)}`,
    );
  } else {
    const failed = steps.find((step) => step.outcome === "failed");
    const where = failed === undefined ? "" : `, at: ${failed.title}`;
    lines.push(`${output.paint("red", "✗")} the drill of ${what} ${outcome ?? "runs"}${where}`);
    if (error !== null) lines.push(`  ${error.message}`);
    if (error?.hint != null) lines.push(`  hint: ${error.hint}`);
  }
  if (dataLostMs !== null) {
    const rpo = against(output, dataLostMs, objectives.rpoMs);
    lines.push(`  would be lost: the last ${formatDuration(dataLostMs)} (from ${from ?? "?"}); RPO ${rpo}`);
  }
  lines.push(`  recorded as ${id}; \`handled drill note ${id} TEXT\` keeps what you learned`);
  return lines.join("\n");
}

function against(output: Output, ms: number, limitMs: number | null): string {
  if (limitMs === null) return "not set";
  if (ms <= limitMs) return `${formatDuration(limitMs)}, kept`;
  return `${formatDuration(limitMs)}, ${output.paint("red", `missed by ${formatDuration(ms - limitMs)}`)}`;
}

/** @param drills newest first */
export function renderDrills(
  output: Output,
  database: string,
  drills: readonly RecordedRecovery[],
  timeZone: string,
): string {
  const title = output.paint("bold", database);
  if (drills.length === 0)
    return `${title}\nnothing was drilled yet; \`handled drill server-lost ${database}\` does it on a throw-away server`;
  const formatTime = timeFormat(timeZone);
  const table = renderTable(
    [
      { title: "BEGAN" },
      { title: "WHAT" },
      { title: "OUTCOME" },
      { title: "TOOK", right: true },
      { title: "CHANGE", right: true },
      { title: "BUDGET", right: true },
      { title: "LOST", right: true },
      { title: "ID" },
      { title: "NOTES" },
    ],
    drills.map((drill, at) => [
      formatTime(new Date(drill.startedAt)),
      `${drill.kind} ${drill.scenario}${drill.entry === null ? "" : ` (${drill.entry})`}`,
      outcomeCell(output, drill),
      drill.rtoMs === null ? "-" : formatDuration(drill.rtoMs),
      changeSince(drill, drills.slice(at + 1)),
      formatDuration(drill.budgetMs),
      drill.dataLostMs === null ? "-" : formatDuration(drill.dataLostMs),
      drill.id,
      notesOf(drill).join("; "),
    ]),
  );
  return [title, table, ...trends(drills)].join("\n");
}

function notesOf({ note, notes }: RecordedRecovery): string[] {
  return [...(note === "" ? [] : [note]), ...notes.map((one) => one.note)];
}

function outcomeCell(output: Output, { outcome, steps, by }: RecordedRecovery): string {
  const failed = steps.find((step) => step.outcome === "failed");
  switch (outcome) {
    case "done":
      return output.paint("green", "✓ done");
    case "failed":
      return output.paint("red", `✗ failed${failed === undefined ? "" : ` at ${failed.id}`}`);
    case "interrupted":
      return output.paint("red", "✗ interrupted");
    case null:
      return `running (process ${by.pid})`;
  }
}

/** Against the one before that was done, of the same kind and scenario: `+12 %`. */
function changeSince(
  { kind, scenario, rtoMs }: RecordedRecovery,
  before: readonly RecordedRecovery[],
): string {
  const last = before.find((one) => one.kind === kind && one.scenario === scenario && one.rtoMs !== null);
  if (rtoMs === null || last?.rtoMs == null) return "-";
  const percent = Math.round(((rtoMs - last.rtoMs) / Math.max(1, last.rtoMs)) * 100);
  return percent === 0 ? "same" : `${percent > 0 ? "+" : "−"}${Math.abs(percent)} %`;
}

/** One line for each scenario that was drilled more than once. */
function trends(drills: readonly RecordedRecovery[]): string[] {
  const groups = Map.groupBy(
    drills.filter(({ kind, outcome }) => kind === "drill" && outcome !== null),
    ({ scenario }) => scenario,
  );
  return [...groups].flatMap(([scenario, group]) => {
    if (group.length < 2) return [];
    const times = group.flatMap(({ rtoMs }) => rtoMs ?? []);
    const done = `${scenario}: ${times.length} of ${counted(group.length, "drill")} done`;
    if (times.length === 0) return [done];
    const [fastest, slowest] = [
      times.reduce((a, b) => Math.min(a, b)),
      times.reduce((a, b) => Math.max(a, b)),
    ];
    return [
      `${done}; the last of them took ${formatDuration(times[0] ?? 0)}, all ${formatDuration(fastest)} to ${formatDuration(slowest)}`,
    ];
  });
}
