import type { RepairReport, RepairStep } from "../../operations/repository/repair.ts";
import type { RepairJson } from "../../json/repository.ts";
import type { Output } from "../output.ts";

export function repairJson(reports: readonly RepairReport[], dryRun: boolean): RepairJson {
  return {
    dryRun,
    places: reports.map(({ place, steps }) => ({
      place,
      steps: steps.map(({ isLeft, ...step }) => ({ ...step, left: isLeft })),
    })),
  };
}

export const stepText = ({ database, message }: RepairStep): string =>
  database === null ? message : `${database}: ${message}`;

export function renderRepair(output: Output, reports: readonly RepairReport[], dryRun: boolean): string {
  return reports.map((report) => renderPlace(output, report, dryRun)).join("\n\n");
}

function renderPlace(output: Output, { place, steps }: RepairReport, dryRun: boolean): string {
  const title = output.paint("bold", place);
  if (steps.length === 0) return `${title}\nthere is nothing to repair`;
  const lines = steps.map((step) => {
    const word = dryRun
      ? "would"
      : step.isLeft
        ? output.paint("yellow", "left")
        : output.paint("green", "done");
    return `${word} ${stepText(step)}`;
  });
  return [title, ...lines, ...(dryRun ? ["nothing was changed"] : [])].join("\n");
}
