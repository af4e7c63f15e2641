import type { Ask } from "../../api/plans.ts";
import type { Answer } from "../../api/queries.ts";
import type { Drill } from "../../parts/job/drill-result.tsx";

export type Scenario = Answer<"scenarios">["scenarios"][number];
export type Finding = Answer<"overview">["problems"][number];

export const TITLES: Readonly<Record<Scenario["scenario"], string>> = {
  "provider-down": "The managed service is down",
  "server-lost": "The server is lost",
  "data-deleted": "Data was deleted",
  "everything-lost": "Everything is lost",
};

/** What a person chooses before a plan is made. */
export interface Choices {
  readonly from: "provider" | "backup" | "rebuild" | null;
  /** Null: the newest proven one. */
  readonly backup: string | null;
  /** A moment with its zone; empty: none. */
  readonly at: string;
  /** As they are typed, each `schema.table`. */
  readonly tables: string;
  readonly where: string;
  /** With data-deleted: whole tables beside the live ones, instead of the rows that are missing. */
  readonly whole: boolean;
}

/** What the plan shows in the place of a table that nobody has named yet. */
const SOME_TABLE = "schema.table";

export const keyOf = ({ scenario, databases }: Scenario): string => `${scenario}:${databases.join(",")}`;

/** What is shown first: what the strategy's drill says. */
export function firstChoices({ drills: [drill] }: Scenario): Choices {
  const tables = drill?.tables.join(", ") ?? "";
  return { from: null, backup: null, at: "", tables, where: drill?.where ?? "", whole: false };
}

/** The strategy's drill, where nothing else was chosen; it counts as that one then. */
export function drillOf(scenario: Scenario, choices: Choices): Scenario["drills"][number] | undefined {
  const first = firstChoices(scenario);
  const isFirst = Object.entries(first).every(([name, value]) => choices[name as keyof Choices] === value);
  const [drill] = scenario.drills;
  return isFirst && drill?.database === scenario.databases[0] && scenario.databases.length === 1
    ? drill
    : undefined;
}

const tablesOf = ({ tables }: Choices): string[] => tables.split(/[\s,]+/).filter((table) => table !== "");

type RecoverAsk = Extract<Ask, { readonly kind: "recover" }>;

/** The recovery that is chosen; of nothing that is not chosen anything is said. */
export function recoveryOf({ scenario, databases }: Scenario, choices: Choices): RecoverAsk {
  const [database = "", ...others] = databases;
  const { from, backup, at, whole } = choices;
  const named = tablesOf(choices);
  const tables = scenario !== "data-deleted" ? [] : named.length === 0 ? [SOME_TABLE] : named;
  return {
    kind: "recover",
    database,
    options: {
      scenario,
      ...(others.length === 0 ? {} : { with: others }),
      ...(from === null ? {} : { from }),
      ...(backup === null ? {} : { backup }),
      ...(at.trim() === "" ? {} : { at: at.trim() }),
      ...(tables.length === 0 ? {} : { tables }),
      ...(choices.where.trim() === "" || whole ? {} : { where: choices.where.trim() }),
      ...(whole ? { whole } : {}),
    },
  };
}

/** Whether nothing is left open that a run needs; the plan is shown all the same. */
export const isComplete = ({ scenario }: Scenario, choices: Choices): boolean =>
  scenario !== "data-deleted" || tablesOf(choices).length > 0;

/** Drills and recoveries of a scenario, newest first. */
export function historyOf({ scenario, databases }: Scenario, drills: readonly Drill[]): readonly Drill[] {
  const isOfThese = (drill: Drill): boolean => drill.databases.some((name) => databases.includes(name));
  return drills.filter((drill) => drill.scenario === scenario && isOfThese(drill));
}

/** What health has found of its drills. */
export function findingsOf(
  { scenario, databases }: Scenario,
  status: Answer<"overview"> | undefined,
): readonly Finding[] {
  const of = status?.databases.filter(({ database }) => databases.includes(database)) ?? [];
  return of
    .flatMap(({ problems, notices }) => [...problems, ...notices])
    .filter(({ id, subject, evidence }) =>
      id === "drill-overdue"
        ? evidence["scenario"] === scenario
        : (id === "drill-failed" || id === "recovery-over-objective") && subject === scenario,
    );
}
