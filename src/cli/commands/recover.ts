import { type Command, Option } from "commander";
import { AppError, inOperation, isAppError } from "../../errors.ts";
import { foresee } from "../../recovery/foresee.ts";
import { journalPath, readJournal, removeJournal } from "../../recovery/journal.ts";
import { type Plan, SCENARIOS, type Scenario } from "../../recovery/plan.ts";
import { recordingRecovery } from "../../recovery/record.ts";
import { goBack, hasWayBack, type PlanResult, runPlan } from "../../recovery/run-plan.ts";
import { addressesGiven } from "../addresses-given.ts";
import type { Cli } from "../cli.ts";
import { confirmByName } from "../confirm.ts";
import { everythingAsked } from "../everything-asked.ts";
import { jobsArgument, many, momentArgument, placeOptions } from "../options.ts";
import { planOfTogether } from "../plan-together.ts";
import { planOf, type PlanOptions, type PlanRequest } from "../plans.ts";
import { movedDatabases } from "../moved-databases.ts";
import { originOf } from "../journal-origin.ts";
import { productionGround } from "../production-ground.ts";
import { planProgress, planText, recoverJson, renderRecovered, renderUndone } from "../render/recover.ts";
import { resolveAllTargets } from "../repositories.ts";
import { recordedIn } from "../recorded-in.ts";
import { scenarioOf } from "../scenario.ts";
import { resolveTarget, type Target } from "../targets.ts";

interface Options extends Omit<PlanOptions, "to"> {
  readonly to?: readonly string[];
  readonly yes?: true;
  readonly dryRun?: true;
  readonly restart?: true;
  readonly back?: true;
}

export function addRecover(program: Command, cli: () => Cli): void {
  placeOptions(program.command("recover"))
    .summary("recover from a disaster, step by step")
    .description(
      "Runs the plan out of a disaster: shows it, asks before the steps that change what people work on, checks each step, and times it against its budget. " +
        "One that was killed goes on where it was when the same command is typed again.",
    )
    .argument(
      "[scenario]",
      `what happened: ${SCENARIOS.join(", ")}; or together, for databases as of one moment`,
    )
    .argument(
      "[database...]",
      "a name from the strategy or the repository; for everything-lost and together several, or none for all there are",
    )
    .option(
      "--to <url>",
      "the (new or empty) database that it becomes (default: where it was); for everything-lost NAME=URL, repeated; -: read from standard input, so that a password is in no argument",
      many,
    )
    .option("--backup <backup>", "an id, or latest (default: the newest proven one)")
    .addOption(
      new Option(
        "--from <what>",
        "what it is made from: with provider-down the provider or a backup (default: the first that works), with data-deleted the same (default: what loses less), with together the same (default: what is nearest to --at), with server-lost a backup or a rebuild (default: what is faster by measured rates)",
      ).choices(["provider", "backup", "rebuild"]),
    )
    .option(
      "--table <table>",
      "with data-deleted: a table that lost rows, written schema.table (may be repeated)",
      many,
    )
    .option("--where <sql>", "with data-deleted: only rows for which this SQL condition holds")
    .option(
      "--at <time>",
      "the moment to come back to (2024-12-10T14:05:00Z); with data-deleted one at which all was still there",
      momentArgument,
    )
    .option(
      "--whole",
      "with data-deleted: not single rows, but all of the tables into a new database beside; without --table the backup takes the place of the database",
    )
    .option(
      "--new-database <name>",
      "with --whole and --table: name of the new database (default: the database's, with _recovered behind it)",
    )
    .option(
      "--jobs <number>",
      "connections that load a snapshot (default: one a core; at most 64)",
      jobsArgument,
    )
    .option(
      "--despite-assertions",
      "go on although some of the strategy's assertions are not true of what was restored",
    )
    .addOption(new Option("--dry-run", "only show the plan").conflicts("back"))
    .option("--restart", "begin anew, although one was begun and has not ended")
    .addOption(new Option("--back", "undo what a recovery that has not ended has done").conflicts("restart"))
    .option("--yes", "do not ask")
    .action(async (scenario: string | undefined, databases: string[], { to: where, ...others }: Options) => {
      const to = await addressesGiven(cli(), where);
      const options: Options = to === undefined ? others : { ...others, to };
      const asked =
        scenario === "together"
          ? await togetherAsked(cli(), databases, options)
          : await scenarioAsked(cli(), scenarioOf(scenario, "recover"), databases, options);
      await runRecover(cli(), asked, options);
    });
}

/** A plan, and where its journal is. */
interface Asked {
  readonly plan: Plan;
  readonly path: string;
  /** Its databases. */
  readonly targets: readonly Target[];
}

async function scenarioAsked(
  cli: Cli,
  scenario: Scenario,
  names: readonly string[],
  options: Options,
): Promise<Asked> {
  const asked =
    scenario === "everything-lost"
      ? await everythingAsked(cli, names, options)
      : await oneAsked(cli, scenario, names, options);
  const targets = asked.all ?? [asked.target];
  const databases = targets.map(({ name }) => name);
  // The strategy of a machine that had none may be there the next time.
  const isBare = scenario === "everything-lost" && options.repository !== undefined;
  const origin = isBare ? asked.target.storage().place : originOf(asked.target);
  const path = journalPath(cli.runtime, origin, { scenario, databases });
  const begun = options.restart === true ? undefined : (await readJournal(path))?.aim;
  return { plan: await planOf(cli, scenario, { ...asked, begun }), path, targets };
}

async function togetherAsked(
  cli: Cli,
  names: readonly string[],
  { to, ...options }: Options,
): Promise<Asked> {
  const targets = await resolveAllTargets(cli, names, options);
  const [first] = targets;
  if (first === undefined) throw new AppError("backup_missing", "recover together: there is no database");
  const parts = targets.map((target) => ({ target, ground: productionGround(cli, target, undefined) }));
  const [where] = to ?? [];
  const plan = await planOfTogether(cli, parts, where === undefined ? options : { ...options, to: where });
  return { plan, path: journalPath(cli.runtime, originOf(first), plan), targets };
}

async function runRecover(cli: Cli, { plan, path, targets }: Asked, options: Options): Promise<void> {
  const confirm = async ({ what, name }: { readonly what: string; readonly name: string }): Promise<void> => {
    await confirmByName(cli, what, name, options.yes === true);
  };
  if (options.back === true) {
    const undone = await goBack(cli.runtime, plan, { path, confirm }, cli.signal);
    cli.output.result(recoverJson(plan, { undone }), () => renderUndone(undone));
    return;
  }
  for (const line of planText(plan)) cli.output.note(line);
  if (options.dryRun === true) {
    const found = await foresee(plan, cli.signal);
    cli.output.result(recoverJson(plan, { found }), () => "nothing was done: this was a dry run");
    return;
  }
  cli.output.plan(planProgress(plan));
  const request = { path, restart: options.restart === true, confirm };
  const { result } = await recordingRecovery(
    cli.runtime,
    { kind: "recover", plan, entry: null, note: "", places: recordedIn(cli, targets) },
    async () => await runPlan(cli.runtime, plan, request, cli.signal),
    cli.signal,
  ).catch((error: unknown) => {
    throw goingOn(cli, error);
  });
  if (result.failed !== null) {
    for (const line of renderRecovered(cli.output, plan, result).split("\n")) cli.output.note(line);
    const asks = options.yes !== true && cli.input !== undefined && hasWayBack(plan, result);
    const undone = asks && (await offerWayBack(cli, plan, { path, confirm }, result.failed.error));
    throw explained(plan, result, result.failed, undone);
  }
  cli.output.result(recoverJson(plan, { result }), () => renderRecovered(cli.output, plan, result));
  for (const line of await movedDatabases(plan, result.outputs, targets)) cli.output.note(line);
  // Last of all: who was killed before that hears it all when the same is typed again.
  await removeJournal(cli.runtime, path);
}

/** One database, and where it goes. */
async function oneAsked(
  cli: Cli,
  scenario: Scenario,
  names: readonly string[],
  { to = [], ...options }: Options,
): Promise<PlanRequest> {
  const [database, ...others] = names;
  if (database === undefined || others.length > 0 || to.length > 1)
    throw new AppError("usage", `recover ${scenario}: it takes one database, and one \`--to\``, {
      hint: `\`handled recover ${scenario} DATABASE\`; \`everything-lost\` takes several`,
    });
  const target = await resolveTarget(cli, database, options);
  const [where] = to;
  const ground = productionGround(cli, target, where);
  return { target, options: where === undefined ? options : { ...options, to: where }, ground };
}

/** Asks whether what was done is to be undone at once. @returns whether it was */
async function offerWayBack(
  cli: Cli,
  plan: Plan,
  request: Parameters<typeof goBack>[2],
  { message }: AppError,
): Promise<boolean> {
  cli.output.warn(message);
  try {
    const undone = await goBack(cli.runtime, plan, request, cli.signal);
    cli.output.note(renderUndone(undone));
    return true;
  } catch (error) {
    if (isAppError(error, "not_confirmed")) return false;
    throw error;
  }
}

/** Somebody pressed Ctrl-C, or the machine goes down: what was done stays, and that is not the end. */
function goingOn({ signal }: Cli, error: unknown): unknown {
  if (!signal.aborted || !isAppError(error, "interrupted")) return error;
  return new AppError(error.code, error.message, {
    hint: "how far it has come is written down: the same command goes on from there",
    cause: error,
  });
}

const ended = (text: string): string => `${text}${/[.?!]$/.test(text) ? "" : "."}`;
const capitalized = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}`;

function explained(
  plan: Plan,
  result: PlanResult,
  { step, error }: NonNullable<PlanResult["failed"]>,
  undone: boolean,
): AppError {
  const back = hasWayBack(plan, result) ? "; the same with `--back` undoes what was done" : "";
  const { code, message, details } = inOperation(`recover: ${step.title}`, error);
  const first = [error.hint, step.ifItFails].filter((text) => text !== undefined);
  const next = undone
    ? "What was done is undone; the same command begins anew"
    : `The same command goes on from here${back}`;
  return new AppError(code, message, {
    hint: [...first, next].reduce((all, sentence) => `${ended(all)} ${capitalized(sentence)}`),
    details,
    cause: error,
  });
}
