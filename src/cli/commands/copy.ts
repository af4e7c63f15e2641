import type { Command } from "commander";
import { AppError, inOperation } from "../../errors.ts";
import { nearest } from "../../lib/text.ts";
import { isDegraded } from "../../operations/backup-places.ts";
import { copyPlaces } from "../../operations/copy-places.ts";
import type { Place } from "../../operations/places.ts";
import type { Cli } from "../cli.ts";
import { reportFailure } from "../failure.ts";
import { copyJobsOf, jobsArgument, many, newPlaceOption, placeOptions } from "../options.ts";
import { copyJson, renderCopy } from "../render/copy.ts";
import { resolveAllTargets } from "../repositories.ts";
import { placesOf, type PlaceOptions, type Target } from "../targets.ts";

interface Options extends PlaceOptions {
  readonly from?: readonly string[];
  readonly to?: readonly string[];
  readonly newPlace?: true;
  readonly dryRun?: true;
  readonly jobs?: number;
}

export function addCopy(program: Command, cli: () => Cli): void {
  placeOptions(program.command("copy"))
    .summary("bring backups over to the places that lack them")
    .description(
      "Brings every backup that one place of a database has, and another lacks, over to it: only what is missing, byte for byte. What the other place's retention " +
        "would not keep is not copied, and damaged backups are not spread. A backup does the same at its end. Exit code 3 while a place lacks something.",
    )
    .argument("[database...]", "names from the strategy; all when none is given")
    .option("--from <name>", "read from this place only (may be repeated)", many)
    .option("--to <name>", "write to this place only (may be repeated)", many)
    .addOption(newPlaceOption())
    .option("--dry-run", "only say what would be copied")
    .option("--jobs <number>", "objects that are written at the same time (default: 8)", jobsArgument)
    .action(async (names: string[], options: Options) => {
      await runCopy(cli(), names, options);
    });
}

async function runCopy(cli: Cli, names: readonly string[], options: Options): Promise<void> {
  const all = await resolveAllTargets(cli, names, options);
  // Of all databases those that have nothing to copy are passed over; one that is named must have.
  const targets = names.length === 0 ? all.filter((target) => target.places().length > 1) : all;
  if (targets.length === 0) throw onePlace(all[0]?.name ?? "the strategy");
  let degraded = false;
  const failures: AppError[] = [];
  for (const target of targets) {
    try {
      if (await copyTarget(cli, target, options)) degraded = true;
    } catch (error) {
      if (!(error instanceof AppError) || error.code === "interrupted" || cli.signal.aborted) throw error;
      const failure = inOperation(`copy ${target.name}`, error);
      if (targets.length === 1) throw failure;
      failures.push(failure);
      reportFailure(cli.output, failure);
    }
  }
  const [first] = failures;
  if (first !== undefined) cli.exitWith(failures.length === targets.length ? first.exitCode : 3);
  else if (degraded) cli.exitWith(3);
}

/** Says whether a place still lacks something. */
async function copyTarget(cli: Cli, target: Target, options: Options): Promise<boolean> {
  const places = placesOf(target, undefined);
  if (places.length < 2) throw onePlace(target.name);
  for (const name of [...(options.from ?? []), ...(options.to ?? [])])
    requirePlace(target.name, places, name);
  const dryRun = options.dryRun === true;
  const { from, to } = options;
  const { name: database, prefix, timeZone } = target;
  const request = {
    database,
    places,
    from,
    to,
    prefix,
    timeZone,
    jobs: copyJobsOf(options),
    dryRun,
    newPlaces: options.newPlace === true ? places.map((place) => place.name) : [],
    pruned: [],
  };
  const reports = await copyPlaces(cli.runtime, request, cli.signal);
  const [failure] = reports.flatMap((report) => report.failure ?? []);
  // Where nothing at all could be done there is no report to give.
  if (failure !== undefined && reports.every((report) => report.failure !== undefined)) throw failure;
  cli.output.result(copyJson(database, dryRun, reports), () =>
    renderCopy(cli.output, database, dryRun, reports),
  );
  return reports.some((report) => isDegraded(report) || (dryRun && report.copied.length > 0));
}

function requirePlace(database: string, places: readonly Place[], name: string): void {
  const names = places.map((place) => place.name);
  if (names.includes(name)) return;
  const similar = nearest(name, names);
  throw new AppError("usage", `find place ${name}: the backups of ${database} are not kept there`, {
    hint: similar === undefined ? `they are kept in ${names.join(", ")}` : `did you mean \`${similar}\`?`,
  });
}

function onePlace(database: string): AppError {
  return new AppError("usage", `copy: the backups of ${database} are kept in one place`, {
    hint: "name several under `repositories` of the database, or give `--repository` more than once",
  });
}
