import type { Outputs, Step } from "../plan.ts";
import { ofDatabase } from "./of-database.ts";

/** A step for one of several databases, under the name that it has where several are one to people. */
export function forDatabase(database: string, step: Step): Step {
  return { ...ofDatabase(database, step), id: `${step.id} ${database}` };
}

/** Several steps that are one to people: each is run and checked in turn, and the last undone first. */
export function asOne(
  { id, title, budgetMs, ifItFails }: Pick<Step, "id" | "title" | "budgetMs" | "ifItFails">,
  steps: readonly Step[],
): Step {
  const undoing = steps.flatMap(({ back }) => back ?? []).toReversed();
  const inWords = (of: (step: Step) => string): string => [...new Set(steps.map(of))].join("; ");
  return {
    id,
    title,
    ...(steps.some(({ isAfresh }) => isAfresh) ? { isAfresh: true } : {}),
    budgetMs,
    ifItFails,
    runs: inWords(({ runs }) => runs),
    checkedBy: inWords(({ checkedBy }) => checkedBy),
    confirm: steps.flatMap(({ confirm }) => confirm ?? [])[0] ?? null,
    foretell: async (signal) => {
      for (const { foretell } of steps) await foretell?.(signal);
    },
    run: async (outputs, signal) => {
      let told: Outputs = {};
      for (const step of steps) {
        told = { ...told, ...(await step.run({ ...outputs, ...told }, signal)) };
        await step.check({ ...outputs, ...told }, signal);
      }
      return told;
    },
    check: async (outputs, signal) => {
      for (const step of steps) await step.check(outputs, signal);
    },
    ...(undoing.length === 0
      ? {}
      : {
          back: async (outputs: Outputs, signal: AbortSignal) => {
            let undone = true;
            for (const back of undoing) undone = (await back(outputs, signal)) && undone;
            return undone;
          },
        }),
  };
}
