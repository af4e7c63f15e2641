import type { Command } from "commander";
import { defaultJobs } from "../../config/jobs.ts";
import { AppError, inOperation } from "../../errors.ts";
import { findChange } from "../../operations/find-change/find-change.ts";
import type { FindChangeReport } from "../../operations/find-change/report.ts";
import { quoteForShell } from "../../operations/schedule/quoting.ts";
import type { ConnectionSettings } from "../../postgres/connection.ts";
import { quoteName } from "../../postgres/session.ts";
import type { Cli } from "../cli.ts";
import { jobsArgument, placeOptions } from "../options.ts";
import { findChangeJson, renderFindChange } from "../render/find-change.ts";
import { resolveAllTargets } from "../repositories.ts";
import { type PlaceOptions, storagesOf, type Target } from "../targets.ts";
import { placesTyped, typed } from "../typed-again.ts";

interface Options extends PlaceOptions {
  readonly where?: string;
  readonly from?: string;
  readonly jobs?: number;
}

export function addFindChange(program: Command, cli: () => Cli): void {
  placeOptions(program.command("find-change"))
    .summary("say in which backup the rows of a table were last seen")
    .description(
      "Goes through the backups of a database, oldest first, and the live table: how many rows it had, and what changed, by counts and digests, " +
        "without reading any row. With `--where`, also how many rows the condition holds for: parts that backups share are read once, an archive " +
        "is restored into a scratch database beside the live one. Ends with the moments between which rows went away, and the command that brings them back.",
    )
    .usage("[options] [database] <table>")
    .argument("<table...>", "the table, written schema.table; the database may come before it")
    .option("--where <sql>", "an SQL condition on the table's rows: when were these last there?")
    .option("--from <backup>", "the oldest backup to look at, by its id (default: all)")
    .option(
      "--jobs <number>",
      "connections that load a backup (default: one a core; at most 64)",
      jobsArgument,
    )
    .action(async (words: string[], options: Options) => {
      await runFindChange(cli(), words, options);
    });
}

async function runFindChange(cli: Cli, words: readonly string[], options: Options): Promise<void> {
  const table = words.at(-1);
  if (table === undefined || words.length > 2) {
    throw new AppError("usage", "find-change: one table is needed", {
      hint: "`handled find-change TABLE`, or with the database before it: `handled find-change DATABASE TABLE`",
    });
  }
  const target = await chooseTarget(cli, words.length === 2 ? words[0] : undefined, options);
  const { where = null, from = null } = options;
  const request = {
    database: target.name,
    storages: storagesOf(target),
    table,
    where,
    from,
    live: await liveOf(target),
    lanes: options.jobs ?? defaultJobs(),
  };
  let report: FindChangeReport;
  try {
    report = await findChange(cli.runtime, request, cli.signal);
  } catch (error) {
    if (!(error instanceof AppError) || error.code === "unexpected") throw error;
    throw inOperation(`find-change ${target.name}`, error);
  }
  const next = nextCommand(cli, report, options);
  cli.output.result(findChangeJson(report, next), () => renderFindChange(report, next, target.timeZone));
}

async function chooseTarget(cli: Cli, name: string | undefined, options: Options): Promise<Target> {
  const targets = await resolveAllTargets(cli, name === undefined ? [] : [name], options);
  const [only, ...others] = targets;
  if (only === undefined || others.length > 0) {
    throw new AppError(
      "usage",
      `find-change: there are several databases: ${targets.map((one) => one.name).join(", ")}`,
      {
        hint: "name one before the table",
      },
    );
  }
  return only;
}

/** Backups alone are worth looking at where nothing says where the live database is. */
async function liveOf(target: Target): Promise<ConnectionSettings | null> {
  try {
    return await target.connection();
  } catch (error) {
    if (error instanceof AppError && error.code === "usage") return null;
    throw error;
  }
}

/** What brings the rows back, to be typed as it stands; null where none went away. */
function nextCommand(
  cli: Cli,
  { database, schema, name, loss, moments, where }: FindChangeReport,
  options: Options,
): string | null {
  if (loss === null) return null;
  const table = quoteForShell(isPlain(schema, name) ? `${schema}.${name}` : quoteName(schema, name));
  const live = moments.at(-1);
  const isGone = live?.id === null && live.rows === null;
  const how = isGone
    ? ` --table ${table} --new-database ${quoteForShell(`${database}_${name}`)}`
    : ` --table ${table} --missing-rows${where === null ? "" : typed(["--where", where])} --dry-run`;
  return `handled restore ${quoteForShell(database)} ${loss.lastSeen.id}${how}${placesTyped(cli, options)}`;
}

const isPlain = (...names: readonly string[]): boolean =>
  names.every((name) => /^[a-z_][a-z0-9_]*$/.test(name));
