import type { Command } from "commander";
import { defaultJobs } from "../../config/jobs.ts";
import { AppError, inOperation } from "../../errors.ts";
import type { DefinitionDifferences } from "../../engines/snapshot/definitions.ts";
import { diffBackups, diffWithLive } from "../../operations/diff/diff.ts";
import type { DiffReport } from "../../operations/diff/report.ts";
import { type BackupDetails, requireContent, showBackup } from "../../operations/show.ts";
import { type ConnectionSettings, resolveConnection } from "../../postgres/connection.ts";
import type { Cli } from "../cli.ts";
import { durationArgument, placeOptions, jobsArgument } from "../options.ts";
import { diffJson, renderDiff } from "../render/diff.ts";
import { type Places, resolvePlaces } from "../repositories.ts";
import { DEFAULT_LOCK_TIMEOUT_MS, type PlaceOptions, resolveTarget } from "../targets.ts";

interface Options extends PlaceOptions {
  readonly jobs?: number;
  readonly lockTimeout?: number;
  readonly exitCode?: true;
}

const LIVE = "live";
// Not 1, as for `git diff`: that is how a command ends which failed.
const DIFFERENT_EXIT = 4;
// As for everything that was done in part.
const UNCERTAIN_EXIT = 3;

export function addDiff(program: Command, cli: () => Cli): void {
  placeOptions(program.command("diff"))
    .summary("show what differs between two backups, or a backup and the live database")
    .description(
      "Compares tables by rows and digests, ranges of blocks by their contents, sequences, definitions with comments and privileges, " +
        "and the database's own settings, privileges and comment. Two backups are compared without reading rows; of the live " +
        "database every row is read, in one snapshot. What could not be compared is named: what an archive has only in its " +
        "text, and the rows of materialized views, which no backup has.",
    )
    .usage("[options] [database] <first> <second>")
    .argument(
      "<backups...>",
      "two of: an id, the name of an archive, `latest`, and `live`; the database may come before them",
    )
    .option(
      "--jobs <number>",
      "connections that read the live database (default: one a core; at most 64)",
      jobsArgument,
    )
    .option("--lock-timeout <duration>", "how long to wait for a locked table", durationArgument)
    .option(
      "--exit-code",
      `end with ${DIFFERENT_EXIT} when they differ, with ${UNCERTAIN_EXIT} when no difference was found and not everything could be compared`,
    )
    .action(async (words: string[], options: Options) => {
      await runDiff(cli(), words, options);
    });
}

async function runDiff(cli: Cli, words: readonly string[], options: Options): Promise<void> {
  const [first, second] = words.slice(-2);
  if (first === undefined || second === undefined || words.length > 3) {
    throw new AppError("usage", "diff: two things to compare are needed", {
      hint: "`handled diff FIRST SECOND`, or with the database before them: `handled diff DATABASE FIRST SECOND`; `live` is the live database",
    });
  }
  const places = await resolvePlaces(cli, options);
  const report = await compare(
    cli,
    { places, first, second, database: words.length === 3 ? words[0] : undefined },
    options,
  );
  cli.output.result(diffJson(report), () => renderDiff(cli.output, report, places.timeZone));
  if (options.exitCode === true && report.equal !== true)
    cli.exitWith(report.equal === null ? UNCERTAIN_EXIT : DIFFERENT_EXIT);
}

interface Named {
  readonly places: Places;
  readonly database: string | undefined;
  readonly first: string;
  readonly second: string;
}

async function compare(cli: Cli, named: Named, options: Options): Promise<DiffReport> {
  const { places, database, first, second } = named;
  const find = async (backup: string, of: string | undefined): Promise<BackupDetails> =>
    requireContent(
      await showBackup(
        cli.runtime,
        { storages: places.storages, database: of, backup, operation: "diff" },
        cli.signal,
      ),
    );
  if (first === LIVE || second === LIVE) {
    if (first === second) throw new AppError("usage", "diff: the live database is named twice");
    const backup = await find(first === LIVE ? second : first, database);
    const report = await compareWithLive(cli, backup, options);
    return first === LIVE ? turned(report) : report;
  }
  const one = await find(first, database);
  return await diffBackups(cli.runtime, one, await find(second, one.index.database), cli.signal);
}

async function compareWithLive(cli: Cli, backup: BackupDetails, options: Options): Promise<DiffReport> {
  const { index } = backup;
  try {
    const request = {
      connection: await connectionOf(cli, index.database, options),
      jobs: options.jobs ?? defaultJobs(),
      lockTimeoutMs: options.lockTimeout ?? DEFAULT_LOCK_TIMEOUT_MS,
    };
    return await diffWithLive(cli.runtime, backup, request, cli.signal);
  } catch (error) {
    if (!(error instanceof AppError) || error.code === "unexpected") throw error;
    throw inOperation(`diff ${index.id} live`, error);
  }
}

/** The same with the sides exchanged. */
function turned(report: DiffReport): DiffReport {
  const turn = <T extends { readonly first: unknown; readonly second: unknown }>(one: T): T => ({
    ...one,
    first: one.second,
    second: one.first,
  });
  const { definitions, properties } = report;
  return {
    ...turn(report),
    tables: report.tables.map(turn),
    sequences: report.sequences.map(turn),
    definitions: definitions === null ? null : turnNames(definitions),
    properties: turnNames(properties),
  };
}

function turnNames({ onlyFirst, onlySecond, changed }: DefinitionDifferences): DefinitionDifferences {
  return { onlyFirst: onlySecond, onlySecond: onlyFirst, changed };
}

async function connectionOf(cli: Cli, database: string, { url }: Options): Promise<ConnectionSettings> {
  if (url !== undefined) return await resolveConnection(cli.runtime, url, cli.signal);
  return await (await resolveTarget(cli, database, {})).connection();
}
