import { counted, formatDuration } from "../../lib/text.ts";
import type { Outputs, Plan, Step } from "../../recovery/plan.ts";
import type { RecoveryStep } from "../../repository/recovery-file.ts";
import type { PlanResult } from "../../recovery/run-plan.ts";
import type { PlanProgressJson } from "../../json/progress.ts";
import type { PlannedStepJson, RecoverJson } from "../../json/recover.ts";
import type { Output } from "../output.ts";
import { renderTable } from "./table.ts";

/** The plan before it is run, for a person to agree to. */
export function planText(plan: Plan): string[] {
  const { scenario, databases, budgetMs, touches, aim, steps, estimates = [] } = plan;
  const aims = Object.entries(aim).map(([name, value]) => `${name}: ${value}`);
  return [
    `${scenario}: ${databases.join(", ")}, within ${formatDuration(budgetMs)}; ${aims.join("; ")}`,
    ...estimates.map(({ what, ms, basis }) =>
      ms === null
        ? `${what}: nobody knows how long it takes, for it was not measured`
        : `${what}: about ${formatDuration(ms)}${basis === null ? "" : `, by the ${basis}`}`,
    ),
    ...steps.flatMap(({ title, runs, checkedBy, budgetMs: budget, confirm }, at) => [
      `${at + 1}. ${title} (${formatDuration(budget)})${confirm === null ? "" : ", asks first"}`,
      `   runs: ${runs}`,
      `   checked: ${checkedBy}`,
    ]),
    touches.length === 0 ? "nothing of production is touched" : `touches ${touches.join("; ")}`,
  ];
}

const COLUMNS = [
  { title: "" },
  { title: "step" },
  { title: "took", right: true },
  { title: "budget" },
  { title: "" },
];

/** How long each step took, and might take. */
export function renderSteps(output: Output, steps: readonly RecoveryStep[]): string {
  const rows = steps.map(({ title, ms: took, budgetMs: budget, outcome }) => [
    outcome === "done" ? output.paint("green", "✓") : outcome === "failed" ? output.paint("red", "✗") : "·",
    title,
    took === null ? "" : formatDuration(took),
    `of ${formatDuration(budget)}`,
    took !== null && took > budget ? output.paint("red", "over budget") : "",
  ]);
  return renderTable(COLUMNS, rows);
}

/** The report of a plan that was run. */
export function renderRecovered(
  output: Output,
  { scenario, databases, budgetMs }: Plan,
  result: PlanResult,
): string {
  const { startedAt, finishedAt, steps, failed } = result;
  const ms = Math.max(0, finishedAt.getTime() - startedAt.getTime());
  const what = `${databases.join(", ")} from ${scenario}`;
  const within = `${formatDuration(ms)}, ${ms <= budgetMs ? "within" : "over"} the budget of ${formatDuration(budgetMs)}`;
  const last =
    failed === null
      ? `${output.paint("green", "✓")} recovered ${what} in ${within}`
      : `${output.paint("red", "✗")} not recovered: ${what}, after ${within}`;
  return [renderSteps(output, steps), last].join("\n");
}

export function renderUndone(undone: readonly string[]): string {
  return undone.length === 0
    ? "nothing was undone; the recovery is forgotten"
    : `${counted(undone.length, "step")} undone: ${undone.join("; ")}`;
}

/** A plan before it is run, for programs. */
export function planProgress({ scenario, budgetMs, steps }: Plan): PlanProgressJson {
  return { scenario, budgetMs, steps: steps.map(plannedStep) };
}

function plannedStep({ id, title, runs, checkedBy, budgetMs, ifItFails, confirm }: Step): PlannedStepJson {
  return { id, title, runs, checkedBy, budgetMs, ifItFails, asks: confirm !== null };
}

export function recoverJson(
  { scenario, databases, aim, touches, budgetMs, estimates = [], steps }: Plan,
  {
    result,
    undone,
    found,
  }: {
    readonly result?: PlanResult;
    readonly undone?: readonly string[];
    /** What a dry run has found. */
    readonly found?: Outputs;
  },
): RecoverJson {
  const ms = result === undefined ? null : result.finishedAt.getTime() - result.startedAt.getTime();
  return {
    scenario,
    databases: [...databases],
    aim: { ...aim },
    touches: [...touches],
    budgetMs,
    estimates: estimates.map((estimate) => ({ ...estimate })),
    steps: steps.map((step, at) => ({
      ...plannedStep(step),
      ms: result?.steps[at]?.ms ?? null,
      outcome: result?.steps[at]?.outcome ?? "planned",
    })),
    startedAt: result?.startedAt.toISOString() ?? null,
    ms: ms === null ? null : Math.max(0, ms),
    outputs: { ...(result?.outputs ?? found) },
    undone: undone === undefined ? null : [...undone],
  };
}
