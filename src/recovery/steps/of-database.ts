import { BEGUN_AT, type Outputs, type Step } from "../plan.ts";

/** A step for one of several databases: what it tells and hears is of this one alone, but for when it all began. */
export function ofDatabase(database: string, step: Step): Step {
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
  const { back, confirm, isUndoable, prepare } = step;
  return {
    ...step,
    id: `${step.id}-${database}`,
    confirm: typeof confirm === "function" ? (outputs) => confirm(own(outputs)) : confirm,
    run: async (outputs, signal) => named(database, await step.run(own(outputs), signal)),
    ...(prepare === undefined
      ? {}
      : {
          prepare: async (outputs: Outputs, signal: AbortSignal) =>
            named(database, await prepare(own(outputs), signal)),
        }),
    check: async (outputs, signal) => await step.check(own(outputs), signal),
    ...(back === undefined
      ? {}
      : { back: async (outputs: Outputs, signal: AbortSignal) => await back(own(outputs), signal) }),
    ...(isUndoable === undefined ? {} : { isUndoable: (outputs: Outputs) => isUndoable(own(outputs)) }),
  };
}

/** What is told of one of several databases, under names of its own. */
export function named(database: string, outputs: Outputs): Outputs {
  return Object.fromEntries(Object.entries(outputs).map(([name, value]) => [`${database}.${name}`, value]));
}
