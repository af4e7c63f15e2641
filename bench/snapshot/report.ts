import { availableParallelism } from "node:os";
import { type Finding, type Findings, type Goal, GOALS, type GoalName } from "./goals.ts";
import type { Options } from "./options.ts";

const FORMATS: Readonly<Record<Goal["unit"], (value: number) => string>> = {
  times: (value) => value.toFixed(value < 0.1 ? 3 : 2),
  MB: (value) => `${value.toFixed(0)} MB`,
  s: (value) => `${value.toFixed(2)} s`,
};

/** The table, as Markdown: every row there is, with what was measured in this run or why it was not. */
export function report(options: Options, findings: Findings): string {
  const lines = Object.entries(GOALS).map(([name, goal]) => line(goal, findings[name as GoalName], options));
  return [
    "| measure | against | goal | measured | holds | medians |",
    "|---|---|---|---|---|---|",
    ...lines,
    "",
    `${availableParallelism()} cores, ${(options.size / 1e6).toFixed(0)} MB asked for, ${options.rounds} rounds.`,
  ].join("\n");
}

function line(goal: Goal, finding: Finding | undefined, options: Options): string {
  const format = FORMATS[goal.unit];
  const cells = [goal.what, goal.against, `≤ ${format(goal.most)}`];
  if (finding === undefined || "missing" in finding) {
    const why = options.only.has(goal.measure)
      ? "it gave no result"
      : `not asked for: --only ${goal.measure}`;
    return row([...cells, "not measured", "", finding?.missing ?? why]);
  }
  const holds = finding.value <= goal.most ? "yes" : "no";
  return row([...cells, format(finding.value), holds, finding.detail]);
}

const row = (cells: readonly string[]): string =>
  `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
