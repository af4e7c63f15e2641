import { type Command, Option } from "commander";
import { AppError, inOperation } from "../../errors.ts";
import { journalPath, readJournal } from "../../recovery/journal.ts";
import { type Plan, SCENARIOS, type Scenario } from "../../recovery/plan.ts";
import { recordingRecovery } from "../../recovery/record.ts";
import { goBack, hasWayBack, type PlanResult, runPlan } from "../../recovery/run-plan.ts";
import type { Cli } from "../cli.ts";
import { confirmByName } from "../confirm.ts";
import { jobsArgument, many, momentArgument, placeOptions } from "../options.ts";
import { planOf, type PlanOptions } from "../plans.ts";
import { originOf } from "../journal-origin.ts";
import { productionGround } from "../production-ground.ts";
import { planText, recoverJson, renderRecovered, renderUndone } from "../render/recover.ts";
import { recordedIn } from "../recorded-in.ts";
import { scenarioOf } from "../scenario.ts";
import { resolveTarget } from "../targets.ts";

interface Options extends PlanOptions {
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
    .argument("<scenario>", `what happened: ${SCENARIOS.join(", ")}`)
    .argument("<database>", "name from the strategy or the repository")
    .option("--to <url>", "the (new or empty) database that it becomes (default: where it was)")
    .option("--backup <backup>", "an id, or latest (default: the newest proven one)")
    .addOption(
      new Option("--from <what>", "what it is made from (default: what is faster by measured rates)").choices(
        ["backup", "rebuild"],
      ),
    )
    .option(
      "--table <table>",
      "with data-deleted: a table that lost rows, written schema.table (may be repeated)",
      many,
    )
    .option("--where <sql>", "with data-deleted: only rows for which this SQL condition holds")
    .option(
      "--at <time>",
      "with data-deleted: a moment at which all was still there (2024-12-10T14:05:00Z)",
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
    .addOption(new Option("--dry-run", "only show the plan").conflicts("back"))
    .option("--restart", "begin anew, although one was begun and has not ended")
    .addOption(new Option("--back", "undo what a recovery that has not ended has done").conflicts("restart"))
    .option("--yes", "do not ask")
    .action(async (scenario: string, database: string, options: Options) => {
      await runRecover(cli(), scenarioOf(scenario, "recover"), database, options);
    });
}

async function runRecover(cli: Cli, scenario: Scenario, database: string, options: Options): Promise<void> {
  const target = await resolveTarget(cli, database, options);
  const ground = productionGround(cli, target, options.to);
  const path = journalPath(cli.runtime, originOf(target), { scenario, databases: [target.name] });
  const begun = options.restart === true ? undefined : (await readJournal(path))?.aim;
  const plan = await planOf(cli, scenario, { target, options, ground, begun });
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
    cli.output.result(recoverJson(plan, {}), () => "nothing was done: this was a dry run");
    return;
  }
  const request = { path, restart: options.restart === true, confirm };
  const places = recordedIn(cli, target, plan.databases);
  const { result } = await recordingRecovery(
    cli.runtime,
    { kind: "recover", plan, entry: null, note: "", places },
    async () => await runPlan(cli.runtime, plan, request, cli.signal),
    cli.signal,
  );
  if (result.failed !== null) throw explained(cli, plan, result, result.failed);
  cli.output.result(recoverJson(plan, { result }), () => renderRecovered(cli.output, plan, result));
}

function explained(
  cli: Cli,
  plan: Plan,
  result: PlanResult,
  { step, error }: NonNullable<PlanResult["failed"]>,
): AppError {
  for (const line of renderRecovered(cli.output, plan, result).split("\n")) cli.output.note(line);
  const back = hasWayBack(plan, result) ? "; the same with `--back` undoes what was done" : "";
  const { code, message, details } = inOperation(`recover: ${step.title}`, error);
  const first = error.hint === undefined ? step.ifItFails : error.hint;
  return new AppError(code, message, {
    hint: `${first}. The same command goes on from here${back}`,
    details,
    cause: error,
  });
}
