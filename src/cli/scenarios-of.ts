import type { ScenariosJson } from "../api/contract/scenarios.ts";
import { nextRun } from "../config/schedule.ts";
import type { Strategy, StrategyDatabase } from "../config/strategy.ts";
import { isAppError } from "../errors.ts";
import { begunRecoveries, journalPath, readJournal } from "../recovery/journal.ts";
import type { Scenario } from "../recovery/plan.ts";
import type { Cli } from "./cli.ts";
import { mostCriticalFirst } from "./everything-asked.ts";
import { originOf } from "./journal-origin.ts";
import { strategyTarget, type Target } from "./targets.ts";

type ScenarioJson = ScenariosJson["scenarios"][number];

/** The disasters that each database of a strategy may meet, and whether a recovery from one is under way on this machine. */
export async function scenariosOf(cli: Cli, strategy: Strategy): Promise<ScenariosJson> {
  const targets = strategy.databases.map((entry) => strategyTarget(cli, strategy, entry, {}));
  const scenarios: ScenarioJson[] = [];
  for (const target of targets) {
    if (target.entry?.provider !== undefined) scenarios.push(await ofOne("provider-down", target));
    scenarios.push(await ofOne("server-lost", target), await ofOne("data-deleted", target));
  }
  const { choices, problem } = await togetherOf(cli, targets);
  for (const some of choices) {
    const together = await ofAll("together", some);
    scenarios.push({ ...together, problem: together.problem ?? problem });
  }
  if (targets.length > 0) scenarios.push(await ofAll("everything-lost", mostCriticalFirst(targets)));
  return { scenarios };

  async function ofOne(scenario: Scenario, target: Target): Promise<ScenarioJson> {
    return await ofAll(scenario, [target]);
  }

  async function ofAll(scenario: ScenarioJson["scenario"], all: readonly Target[]): Promise<ScenarioJson> {
    const entries = all.flatMap(({ entry }) => entry ?? []);
    const objectives = entries.flatMap(({ objectives: { rtoMs } }) => rtoMs ?? []);
    return {
      scenario,
      databases: all.map(({ name }) => name),
      rtoMs: objectives.length === 0 ? null : Math.min(...objectives),
      from: sourcesOf(scenario, entries),
      drills: entries.flatMap((entry) => drillsIn(cli, strategy, entry, scenario)),
      ...(await begunOf(cli, scenario, all)),
    };
  }
}

/** Those that can be brought back to one moment: all, and each choice of them of which that was begun. */
async function togetherOf(
  cli: Cli,
  all: readonly Target[],
): Promise<{ readonly choices: readonly (readonly Target[])[]; readonly problem: string | null }> {
  const [first] = all;
  if (first === undefined || all.length === 1) return { choices: [], problem: null };
  try {
    const begun = await begunRecoveries(cli.runtime, originOf(first), "together");
    const isAll = (names: readonly string[]): boolean =>
      names.length === all.length && all.every(({ name }, at) => names[at] === name);
    const known = begun
      .filter((names) => !isAll(names))
      .map((names) => names.map((name) => all.find((one) => one.name === name)))
      .filter((some): some is Target[] => !some.includes(undefined));
    return { choices: [all, ...known], problem: null };
  } catch (error) {
    if (!isAppError(error)) throw error;
    return { choices: [all], problem: error.message };
  }
}

function sourcesOf(
  scenario: ScenarioJson["scenario"],
  entries: readonly StrategyDatabase[],
): ScenarioJson["from"] {
  const [entry] = entries;
  const isManaged = entries.some(({ provider }) => provider !== undefined);
  if (scenario === "provider-down") return ["provider", "backup"];
  if (scenario === "data-deleted" || scenario === "together") return isManaged ? ["provider", "backup"] : [];
  return scenario === "server-lost" && entry?.rebuild !== undefined ? ["backup", "rebuild"] : [];
}

function drillsIn(
  { runtime }: Cli,
  { timeZone }: Strategy,
  { name: database, drills }: StrategyDatabase,
  wanted: ScenarioJson["scenario"],
): ScenarioJson["drills"] {
  return drills
    .filter(({ scenario }) => scenario === wanted)
    .map(({ name, schedule, tables = [], where = null }) => ({
      name,
      database,
      schedule: schedule ?? null,
      nextRun:
        schedule === undefined
          ? null
          : (nextRun(schedule, timeZone, runtime.clock.now())?.toISOString() ?? null),
      tables: [...tables],
      where,
    }));
}

async function begunOf(
  { runtime }: Cli,
  scenario: ScenarioJson["scenario"],
  all: readonly Target[],
): Promise<Pick<ScenarioJson, "begun" | "problem">> {
  const [first] = all;
  if (first === undefined) return { begun: null, problem: null };
  const databases = all.map(({ name }) => name);
  try {
    const journal = await readJournal(journalPath(runtime, originOf(first), { scenario, databases }));
    if (journal === undefined) return { begun: null, problem: null };
    const { startedAt, begun, steps, aim } = journal;
    const done = begun.filter(({ finishedAt }) => finishedAt !== null).length;
    return { begun: { startedAt, done, steps: steps.length, aim }, problem: null };
  } catch (error) {
    if (!isAppError(error)) throw error;
    return { begun: null, problem: error.message };
  }
}
