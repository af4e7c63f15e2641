import { mayMakeCluster } from "../../../../src/api/contract/may-cost.ts";
import type { Asked } from "../../api/jobs.ts";
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
  together: "Several, back to one moment",
};

/** What a person chooses before a plan is made. */
export interface Choices {
  readonly from: "provider" | "backup" | "rebuild" | null;
  /** Null: the newest proven one. */
  readonly backup: string | null;
  /** By the clock of whoever looks, as `2026-11-28T14:05`; empty: none. */
  readonly at: string;
  /** Of together: those that are brought back. */
  readonly databases: readonly string[];
  /** Whether they come back elsewhere than where they were. */
  readonly elsewhere: boolean;
  /** Where, by database, as it is typed. */
  readonly to: Readonly<Record<string, string>>;
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
export function firstChoices({ drills: [drill], databases }: Scenario): Choices {
  const tables = drill?.tables.join(", ") ?? "";
  const where = drill?.where ?? "";
  const place = { elsewhere: false, to: {} };
  return { from: null, backup: null, at: "", tables, where, whole: false, databases, ...place };
}

/** The strategy's drill, where nothing else was chosen; it counts as that one then. */
function drillOf(scenario: Scenario, choices: Choices): Scenario["drills"][number] | undefined {
  const first = firstChoices(scenario);
  // A drill goes to a server of its own, wherever a recovery would.
  const { elsewhere: _elsewhere, to: _to, ...told } = first;
  const isFirst = Object.entries(told).every(([name, value]) => choices[name as keyof Choices] === value);
  const [drill] = scenario.drills;
  return isFirst && drill?.database === scenario.databases[0] && scenario.databases.length === 1
    ? drill
    : undefined;
}

const tablesOf = ({ tables }: Choices): string[] => tables.split(/[\s,]+/).filter((table) => table !== "");

type RecoverAsk = Extract<Ask, { readonly kind: "recover" }>;
type DrillAsk = Extract<Asked, { readonly kind: "drill" }>;

/** The recovery that is chosen; of nothing that is not chosen anything is said. */
export function recoveryOf({ scenario, databases }: Scenario, choices: Choices): RecoverAsk {
  const chosen = databases.filter((name) => choices.databases.includes(name));
  const [database = "", ...others] = chosen;
  const { from, backup, whole } = choices;
  const at = momentOf(choices);
  const to = placesOf(scenario, choices).flatMap((name) => {
    const url = choices.to[name]?.trim() ?? "";
    return isAddress(url) ? [{ database: name, url }] : [];
  });
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
      ...(at === null ? {} : { at }),
      ...(to.length === 0 ? {} : { to }),
      ...(tables.length === 0 ? {} : { tables }),
      ...(choices.where.trim() === "" || whole ? {} : { where: choices.where.trim() }),
      ...(whole ? { whole } : {}),
    },
  };
}

/** The rehearsal of what is chosen: the strategy's, where it is that one. */
export function rehearsalOf(scenario: Scenario, choices: Choices): DrillAsk | null {
  if (scenario.scenario === "together" || choices.whole) return null;
  const { database, options } = recoveryOf(scenario, choices);
  const { whole: _whole, to: _to, ...how } = options;
  const of = { scenario: scenario.scenario };
  const entry = drillOf(scenario, choices);
  // Where no service is, none is asked, and nothing has to be confirmed.
  const own = options.at !== undefined && scenario.from.length === 0 ? { from: "backup" as const } : {};
  const asked = entry === undefined ? { ...how, ...own, ...of } : { ...of, entry: entry.name };
  return { kind: "drill", database, options: asked };
}

/** Whether a drill has to be confirmed, for what it may cost. */
export const mayCost = ({ options }: DrillAsk): boolean => mayMakeCluster(options);

export const isAddress = (text: string): boolean => /^postgres(ql)?:\/\/./.test(text);

/** The databases for which it is asked where they go. */
export function placesOf(
  scenario: Scenario["scenario"],
  { databases, from, elsewhere }: Choices,
): readonly string[] {
  if (scenario === "data-deleted" || scenario === "together") return [];
  if (scenario !== "provider-down") return elsewhere ? databases : [];
  // Nothing of ours comes back where the service was; and the service makes a place itself.
  return from === "provider" ? [] : databases;
}

/** As ISO 8601; null where none is chosen. */
export function momentOf({ at }: Choices): string | null {
  const time = new Date(at);
  return at === "" || Number.isNaN(time.getTime()) ? null : time.toISOString();
}

/** What is still to be said before a plan can be made; null where nothing is. */
export function openForPlan({ scenario }: Scenario, choices: Choices): string | null {
  if (scenario === "together") {
    if (choices.databases.length < 2) return "Say first which databases belong together: two at least.";
    if (momentOf(choices) === null) return "Say first as of when they are to be.";
  }
  if (
    scenario === "provider-down" &&
    choices.from === "backup" &&
    !placesOf(scenario, choices).every((name) => isAddress(choices.to[name]?.trim() ?? ""))
  )
    return "Say first on which server the backup is to come back.";
  return null;
}

/** The same before anything is done in earnest or rehearsed. */
export function openForRun(scenario: Scenario, choices: Choices): string | null {
  if (scenario.scenario === "data-deleted" && tablesOf(choices).length === 0)
    return "Say first which tables lost rows.";
  const isOpen = (name: string): boolean => {
    const typed = choices.to[name]?.trim() ?? "";
    // The service, or where it was, comes first.
    const isNeeded = choices.elsewhere && scenario.scenario !== "everything-lost";
    return !isAddress(typed) && (typed !== "" || isNeeded);
  };
  if (placesOf(scenario.scenario, choices).some(isOpen)) return "Say first where to.";
  return openForPlan(scenario, choices);
}

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
