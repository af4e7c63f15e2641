import type { Command } from "commander";
import { strategyJsonSchema } from "../../config/json-schema.ts";
import { reviewStrategy } from "../../config/review.ts";
import { nextRun } from "../../config/schedule.ts";
import { databaseUrl, repositoryUrl, type Strategy, type StrategyDatabase } from "../../config/strategy.ts";
import { AppError } from "../../errors.ts";
import { describeConnection, resolveConnection } from "../../postgres/connection.ts";
import type { Cli } from "../cli.ts";
import type { ConfigCheckJson } from "../../json/setup.ts";
import { isThere } from "../../lib/is-there.ts";
import { requireKeepable } from "../../lib/kept-file.ts";
import { renderConfigCheck } from "../render/config.ts";
import { RUNBOOK_NAME } from "../runbook-keeper.ts";
import { requireStrategy } from "../strategy-file.ts";

export function addConfig(program: Command, cli: () => Cli): void {
  const config = program
    .command("config")
    .summary("check the strategy")
    .description("Checks and describes the strategy file.");
  config
    .command("check")
    .summary("check the strategy file")
    .description(
      "Checks the whole strategy file and names every problem with its line. Shows its databases, when each backup is due, and what is most likely not meant. Connects to nothing. Where `runbook` would write over a file that is none of ours, that is an error.",
    )
    .action(async () => {
      await runCheck(cli());
    });
  config
    .command("schema")
    .summary("print the JSON Schema of the strategy file")
    .description(
      "Prints the JSON Schema of the strategy file, with which editors complete and explain every key.",
    )
    .action(() => {
      printSchema(cli());
    });
}

function printSchema({ output }: Cli): void {
  // For files and editors; `--json` asks for what it is anyway, in one line.
  output.result(strategyJsonSchema(), () => JSON.stringify(strategyJsonSchema(), null, 2));
}

async function runCheck(cli: Cli): Promise<void> {
  const strategy = await requireStrategy(cli);
  const now = cli.runtime.clock.now();
  const warnings = reviewStrategy(strategy, now);
  for (const file of strategy.runbookFiles) await requireRunbook(strategy, file, warnings);
  const databases: ConfigCheckJson["databases"] = [];
  for (const database of strategy.databases)
    databases.push(await describe(cli, strategy, database, warnings));
  const report: ConfigCheckJson = { path: strategy.path, timeZone: strategy.timeZone, databases, warnings };
  cli.output.result(report, () => renderConfigCheck(cli.output, report, now));
  for (const warning of warnings) cli.output.warn(warning);
}

/**
 * Fails with `strategy_invalid` where a file of somebody else has the name of a runbook: the daemon would tell that each day, and never write it.
 * @param warnings gets what else keeps it from being written here, for the strategy may be another machine's
 */
async function requireRunbook({ path }: Strategy, file: string, warnings: string[]): Promise<void> {
  if (!(await isThere(file))) return;
  try {
    await requireKeepable(file, RUNBOOK_NAME);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    if (error.code !== "target_exists") {
      warnings.push(`runbook.file: ${error.message}`);
      return;
    }
    throw new AppError("strategy_invalid", `check ${path}: runbook.file: ${error.message}`, {
      cause: error,
      hint: error.hint,
    });
  }
}

/** @param warnings gets what keeps the places of the database from being known */
async function describe(
  cli: Cli,
  strategy: Strategy,
  database: StrategyDatabase,
  warnings: string[],
): Promise<ConfigCheckJson["databases"][number]> {
  const { name, schemas, criticality, objectives, repositories } = database;
  const places: { name: string; location: string | null }[] = [];
  for (const each of repositories) {
    const location = await orWarn(warnings, () => repositoryUrl(cli.runtime, strategy, each));
    places.push({ name: each, location });
  }
  return {
    database: name,
    server: await orWarn(warnings, async () => await serverOf(cli, database)),
    schemas: schemas === undefined ? null : [...schemas],
    criticality,
    rpoMs: objectives.rpoMs,
    rtoMs: objectives.rtoMs,
    repository: repositories[0],
    location: places[0]?.location ?? null,
    repositories: places,
    backups: database.backups.map((backup) => ({
      name: backup.name,
      kind: backup.kind,
      format: backup.kind === "archive" ? (backup.format ?? "plain") : null,
      compression: backup.kind === "archive" ? (backup.compression ?? "gzip") : null,
      schedule: backup.schedule ?? null,
      keep: backup.keep === undefined ? null : keepJson(backup.keep),
      nextRun: nextRunOf(cli, strategy, backup.schedule),
    })),
  };
}

async function serverOf(cli: Cli, database: StrategyDatabase): Promise<string> {
  return describeConnection(
    await resolveConnection(cli.runtime, databaseUrl(cli.runtime, database), cli.signal),
  );
}

/** A variable that is not set here is a warning, no error: the file may be checked on another machine. */
async function orWarn(warnings: string[], find: () => string | Promise<string>): Promise<string | null> {
  try {
    return await find();
  } catch (error) {
    if (!(error instanceof AppError) || error.code === "interrupted") throw error;
    if (!warnings.includes(error.message)) warnings.push(error.message);
    return null;
  }
}

function keepJson(keep: Readonly<Record<string, number | undefined>>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(keep).flatMap(([rule, count]) => (count === undefined ? [] : [[rule, count]])),
  );
}

function nextRunOf(cli: Cli, { timeZone }: Strategy, schedule: string | undefined): string | null {
  if (schedule === undefined) return null;
  return nextRun(schedule, timeZone, cli.runtime.clock.now())?.toISOString() ?? null;
}
