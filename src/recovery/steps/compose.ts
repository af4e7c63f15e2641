import { BEGUN_AT, type Outputs, type Step } from "../plan.ts";

/** A step for one of several databases: what it tells, and what it is told, is of this one alone. */
export function forDatabase(database: string, step: Step): Step {
  const prefix = `${database}.`;
  const own = (outputs: Outputs): Outputs =>
    Object.fromEntries(
      Object.entries(outputs).flatMap(([name, value]) =>
        name === BEGUN_AT
          ? [[name, value]]
          : name.startsWith(prefix)
            ? [[name.slice(prefix.length), value]]
            : [],
      ),
    );
  const { back } = step;
  return {
    ...step,
    id: `${step.id} ${database}`,
    run: async (outputs, signal) => {
      const told = await step.run(own(outputs), signal);
      return Object.fromEntries(Object.entries(told).map(([name, value]) => [`${prefix}${name}`, value]));
    },
    check: async (outputs, signal) => await step.check(own(outputs), signal),
    ...(back === undefined
      ? {}
      : {
          back: async (outputs: Outputs, signal: AbortSignal) => await back(own(outputs), signal),
        }),
  };
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
    budgetMs,
    ifItFails,
    runs: inWords(({ runs }) => runs),
    checkedBy: inWords(({ checkedBy }) => checkedBy),
    confirm: steps.flatMap(({ confirm }) => confirm ?? [])[0] ?? null,
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
