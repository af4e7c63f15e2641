import { join } from "node:path";
import { type Command, Option } from "commander";
import type { StrategyDrill } from "../../config/drills.ts";
import { AppError, DEGRADED_EXIT, ERRORS } from "../../errors.ts";
import { nearest } from "../../lib/text.ts";
import { noteRecovery, recoveriesOf } from "../../operations/recoveries.ts";
import { type Plan, SCENARIOS, type Scenario } from "../../recovery/plan.ts";
import { recordingRecovery } from "../../recovery/record.ts";
import { runPlan } from "../../recovery/run-plan.ts";
import type { Cli } from "../cli.ts";
import { openDrillGround, stateIn } from "../drill-ground.ts";
import { drillsOf, objectivesOf } from "../drills-of.ts";
import type { DrillNoteJson } from "../../json/drill.ts";
import { mostCriticalFirst } from "../everything-asked.ts";
import { jobsArgument, many, momentArgument, placeOptions, positiveInteger } from "../options.ts";
import { planOf, type PlanOptions } from "../plans.ts";
import { recordedIn } from "../recorded-in.ts";
import { drillJson, type RecoveryObjectives, renderDrill, renderDrills } from "../render/drill.ts";
import { planProgress, planText } from "../render/recover.ts";
import { resolveAllTargets } from "../repositories.ts";
import { scenarioOf } from "../scenario.ts";
import { type PlaceOptions, resolveTarget, storagesOf, type Target } from "../targets.ts";

interface Options extends Omit<PlanOptions, "to"> {
  readonly note?: string;
  readonly entry?: string;
}

const SHOWN = 20;
// A note may be about one of years ago.
const ALL = 100_000;

export function addDrill(program: Command, cli: () => Cli): void {
  const drill = placeOptions(program.command("drill"))
    .summary("rehearse a recovery, measured against its budget")
    .description(
      "Runs the plan out of a disaster, the same as `handled recover`, on a throw-away server, with a copy of the application's `.env` and the application as the strategy's `trial` starts it. " +
        "Nothing of production is touched. How long each step took, and what would have been lost, is recorded in the repository. Exit code 4 when the drill fails.",
    )
    .argument("<scenario>", `what is to have happened: ${SCENARIOS.join(", ")}`)
    .argument(
      "[database...]",
      "a name from the strategy or the repository; for everything-lost several, or none for all there are",
    )
    .option("--backup <backup>", "an id, or latest (default: the newest proven one)")
    .addOption(
      new Option(
        "--from <what>",
        "what it is made from, as with `handled recover`; from the provider a cluster is made, and destroyed at the end",
      ).choices(["provider", "backup", "rebuild"]),
    )
    .option(
      "--at <time>",
      "with provider-down and data-deleted: the moment to come back to (2024-12-10T14:05:00Z)",
      momentArgument,
    )
    .option(
      "--table <table>",
      "with data-deleted: a table that is to have lost rows, written schema.table (may be repeated)",
      many,
    )
    .option("--where <sql>", "with data-deleted: only rows for which this SQL condition holds (default: all)")
    .option(
      "--jobs <number>",
      "connections that load a snapshot (default: one a core; at most 64)",
      jobsArgument,
    )
    .option("--entry <name>", "do what this entry of the strategy's `drills` says")
    .option("--note <text>", "kept with what comes of it")
    .action(async (scenario: string, databases: string[], options: Options) => {
      await runDrill(cli(), scenarioOf(scenario, "drill"), databases, options);
    });
  placeOptions(drill.command("list"))
    .summary("show drills and recoveries, and whether they get faster")
    .description(
      "Shows the drills and recoveries that are recorded, newest first: how long each took, against its budget and the one before, what was lost, and what people noted.",
    )
    .argument("[database...]", "names from the strategy or the repository; all when none is given")
    .option("--last <number>", "no more than so many of each database", positiveInteger, SHOWN)
    .action(async (names: string[], options: PlaceOptions & { readonly last: number }) => {
      for (const target of await resolveAllTargets(cli(), names, options))
        await showDrills(cli(), target, options.last);
    });
  placeOptions(drill.command("note"))
    .summary("keep what was learned from a drill or recovery")
    .description(
      "Records in the repository what you say about a drill or recovery: the lesson for the next time.",
    )
    .argument("<id>", "its id, as `handled drill list` shows it")
    .argument("<text>", "what you learned")
    .action(async (id: string, text: string, options: PlaceOptions) => {
      await runNote(cli(), id, text, options);
    });
}

async function runDrill(
  cli: Cli,
  scenario: Scenario,
  names: readonly string[],
  options: Options,
): Promise<void> {
  const [target, ...others] = await drilled(cli, scenario, names, options);
  const all = [target, ...others];
  const entry = entryFor(target, scenario, options);
  const asked = { ...optionsOf(entry), ...options };
  if (asked.at !== undefined && scenario !== "provider-down" && scenario !== "data-deleted")
    throw new AppError("usage", `drill ${scenario}: \`--at\` is not for it`, {
      hint: "`--backup` names the backup to bring back",
    });
  const objectives = strictest(all.map(objectivesOf));
  await using drill = await openDrillGround(cli, all, asked);
  const plan = await planOf(stateIn(cli, drill.folder), scenario, {
    target,
    all,
    options: asked,
    ground: drill.ground,
  });
  requireHarmless(plan);
  for (const line of planText(plan)) cli.output.note(line);
  cli.output.plan(planProgress(plan));
  // Nobody goes on with a drill: its journal goes with its server.
  const request = { path: join(drill.folder, "journal.json"), restart: true, confirm: refuse };
  const { recovery } = await recordingRecovery(
    cli.runtime,
    {
      kind: "drill",
      plan,
      entry: entry?.name ?? null,
      note: options.note ?? "",
      places: recordedIn(cli, all),
    },
    async () => await runPlan(cli.runtime, plan, request, cli.signal),
    cli.signal,
  );
  const recorded = { ...recovery, notes: [] };
  cli.output.result(drillJson(recorded, objectives), () => renderDrill(cli.output, recorded, objectives));
  if (recovery.outcome !== "done") cli.exitWith(ERRORS.unhealthy.exit);
}

/** The databases that are lost together, the most critical first. */
async function drilled(
  cli: Cli,
  scenario: Scenario,
  names: readonly string[],
  options: Options,
): Promise<readonly [Target, ...Target[]]> {
  if (scenario === "everything-lost") {
    const [first, ...others] = mostCriticalFirst(await resolveAllTargets(cli, names, options));
    if (first !== undefined) return [first, ...others];
  }
  const [database, ...others] = names;
  if (database === undefined || others.length > 0)
    throw new AppError("usage", `drill ${scenario}: it takes one database`, {
      hint: `\`handled drill ${scenario} DATABASE\`; \`everything-lost\` takes several, or all`,
    });
  return [await resolveTarget(cli, database, options)];
}

/** All of them have to be met. */
function strictest(objectives: readonly RecoveryObjectives[]): RecoveryObjectives {
  const least = (values: readonly (number | null)[]): number | null => {
    const known = values.filter((value) => value !== null);
    return known.length === 0 ? null : Math.min(...known);
  };
  return {
    rtoMs: least(objectives.map(({ rtoMs }) => rtoMs)),
    rpoMs: least(objectives.map(({ rpoMs }) => rpoMs)),
  };
}

/** The strategy's drill that is asked for; one that says the same as the command line counts as asked for, too. */
function entryFor({ name, entry }: Target, scenario: Scenario, options: Options): StrategyDrill | undefined {
  const drills = entry?.drills ?? [];
  if (options.entry === undefined) {
    const [only, another] = drills.filter((one) => one.scenario === scenario);
    const saysOther = ["backup", "from", "at", "table", "where"].some((key) => key in options);
    return another === undefined && !saysOther ? only : undefined;
  }
  const found = drills.find((one) => one.name === options.entry);
  if (found?.scenario === scenario) return found;
  const what = `find the entry ${options.entry} of the strategy: ${name} has no such drill`;
  if (found !== undefined)
    throw new AppError("usage", `${what} of ${scenario}`, { hint: `it is one of ${found.scenario}` });
  const names = drills.map((one) => one.name);
  const similar = nearest(options.entry, names);
  throw new AppError("usage", what, {
    hint: similar === undefined ? `it has: ${names.join(", ") || "none"}` : `did you mean \`${similar}\`?`,
  });
}

/** What the entry says in place of options. */
function optionsOf(entry: StrategyDrill | undefined): Pick<Options, "backup" | "from" | "table" | "where"> {
  if (entry === undefined) return {};
  const { backup, from, tables, where } = entry;
  return {
    ...(backup === undefined ? {} : { backup }),
    ...(from === undefined ? {} : { from }),
    ...(tables === undefined ? {} : { table: tables }),
    ...(where === undefined ? {} : { where }),
  };
}

/** A plan that would ask, or write to something of production, is no drill; that it never is one this is the last to see to. */
function requireHarmless({ scenario, touches, steps }: Plan): void {
  const asks = steps.find(({ confirm }) => confirm !== null);
  if (touches.length === 0 && asks === undefined) return;
  throw new AppError(
    "unexpected",
    `drill ${scenario}: its plan touches production: ${touches.join("; ") || (asks?.title ?? "")}`,
    { hint: "nothing was done; please report it" },
  );
}

async function refuse(): Promise<never> {
  return await Promise.reject(
    new AppError("not_confirmed", "drill: a step asks, and a drill has nothing to ask"),
  );
}

async function showDrills(cli: Cli, target: Target, last: number): Promise<void> {
  const { recoveries, json } = await drillsOf(cli, target, last);
  cli.output.result(json, () => renderDrills(cli.output, target.name, recoveries, target.timeZone));
  const { unread } = json;
  for (const message of unread) cli.output.warn(`what is recorded there is not shown: ${message}`);
  if (unread.length > 0) cli.exitWith(ERRORS.unhealthy.exit);
}

async function runNote(cli: Cli, id: string, text: string, options: PlaceOptions): Promise<void> {
  const unrecorded: string[] = [];
  let found = false;
  for (const target of await resolveAllTargets(cli, [], options)) {
    const of = { database: target.name, storages: storagesOf(target) };
    const { recoveries, failures } = await recoveriesOf(cli.runtime, { ...of, last: ALL }, cli.signal);
    if (!recoveries.some((one) => one.id === id)) {
      for (const { message } of failures) cli.output.warn(`it was not looked for there: ${message}`);
      continue;
    }
    found = true;
    for (const { message } of await noteRecovery(cli.runtime, { ...of, recovery: id }, text, cli.signal))
      unrecorded.push(message);
  }
  if (!found)
    throw new AppError("usage", `note on ${id}: no drill or recovery of that id is recorded`, {
      hint: "`handled drill list` shows what there is",
    });
  cli.output.result(
    { id, unrecorded } satisfies DrillNoteJson,
    () => `${cli.output.paint("green", "✓")} it is kept with ${id}`,
  );
  for (const message of unrecorded) cli.output.warn(`it is not recorded there: ${message}`);
  if (unrecorded.length > 0) cli.exitWith(DEGRADED_EXIT);
}
