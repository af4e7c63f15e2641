import type { Command } from "commander";
import type { Keep } from "../../config/keep.ts";
import { AppError, inOperation } from "../../errors.ts";
import { pruneDatabase } from "../../operations/prune.ts";
import { listReplaced, type ReplacedDatabase } from "../../operations/replaced.ts";
import type { Cli } from "../cli.ts";
import { reportFailure } from "../failure.ts";
import { durationArgument, keepOption, placeOptions } from "../options.ts";
import { pruneJson, type PruneReport, renderPrune } from "../render/prune.ts";
import { resolveAllTargets } from "../repositories.ts";
import { type PlaceOptions, retentionOf, type Target, type TargetPlace } from "../targets.ts";

interface Options extends PlaceOptions {
  readonly dryRun?: true;
  readonly keep?: Keep;
  readonly garbageAge?: number;
}

export function addPrune(program: Command, cli: () => Cli): void {
  placeOptions(program.command("prune"))
    .summary("delete what retention lets go")
    .description(
      "Applies the retention rules and says of every backup why it stays or goes. The newest good backup of each kind always stays, " +
        "and a backup of some schemas takes the place of none that has more. " +
        "Parts of snapshots that no backup needs any more are noted by one run and deleted by a later one. Also drops databases that a swap replaced, once their lifetime is over.",
    )
    .argument("[database...]", "names from the strategy; all when none is given")
    .option("--dry-run", "only say what would be deleted")
    .addOption(keepOption())
    .option(
      "--garbage-age <duration>",
      "how long parts that no backup needs must have been noted, instead of the strategy's (default: 24h)",
      durationArgument,
    )
    .action(async (names: string[], options: Options) => {
      await runPrune(cli(), names, options);
    });
}

async function runPrune(cli: Cli, names: readonly string[], options: Options): Promise<void> {
  const targets = await resolveAllTargets(cli, names, options);
  const dryRun = options.dryRun === true;
  const reports: PruneReport[] = [];
  // One database or place that fails must not keep the others from being pruned.
  const failures: AppError[] = [];
  const works = targets.flatMap((target) =>
    target.places().map((place, at, { length }) => ({ target, place, only: length === 1, first: at === 0 })),
  );
  for (const { target, place, only, first } of works) {
    try {
      reports.push(await prunePlace(cli, target, place, options, first));
    } catch (error) {
      if (!(error instanceof AppError) || error.code === "interrupted" || cli.signal.aborted) throw error;
      const failure = inOperation(
        only ? `prune ${target.name}` : `prune ${target.name} in ${place.name}`,
        hintingAtRoom(error),
      );
      if (works.length === 1) throw failure;
      failures.push(failure);
    }
  }
  if (reports.length > 0) {
    cli.output.result(pruneJson(reports, dryRun), () =>
      renderPrune(cli.output, reports, dryRun, cli.runtime.clock.now(), targets[0]?.timeZone ?? "UTC"),
    );
  }
  for (const failure of failures) reportFailure(cli.output, failure);
  const [first] = failures;
  if (first !== undefined) cli.exitWith(reports.length === 0 ? first.exitCode : 3);
}

/** Whoever prunes because a disk is full is not helped by the advice to prune. */
function hintingAtRoom(error: AppError): AppError {
  if (error.code !== "space_missing") return error;
  return new AppError(error.code, error.message, {
    cause: error,
    details: error.details,
    hint: "pruning writes a lease and a few notes before it deletes: free a megabyte on that disk by other means, and run it again",
  });
}

/** @param first whether no other place of the same database came before: the server is looked at once */
async function prunePlace(
  cli: Cli,
  target: Target,
  place: TargetPlace,
  options: Options,
  first: boolean,
): Promise<PruneReport> {
  const rules = retentionOf(target, place, options.keep, options.garbageAge);
  const keeps = [rules.otherwise, ...Object.values(rules.entries)];
  if (keeps.every((keep) => keep === undefined)) {
    cli.output.warn(
      `prune ${target.name}: there is no retention rule, so every backup stays; \`--keep days=14\` gives one`,
    );
  }
  const dryRun = options.dryRun === true;
  const request = {
    storage: place.storage(),
    database: target.name,
    rules,
    timeZone: target.timeZone,
    prefix: target.prefix,
    dryRun,
  };
  const result = await pruneDatabase(cli.runtime, request, cli.signal);
  return {
    ...result,
    database: target.name,
    repository: place.name,
    garbageAgeMs: rules.garbageAgeMs,
    replaced: first ? await pruneReplaced(cli, target, options) : null,
  };
}

/** The server is only asked; one that does not answer does not make the backups' pruning a failure. */
async function pruneReplaced(cli: Cli, target: Target, options: Options): Promise<ReplacedDatabase[] | null> {
  if (target.strategy === null && options.url === undefined) return null;
  try {
    return await listReplaced(cli.runtime, await target.connection(), options.dryRun !== true, cli.signal);
  } catch (error) {
    if (!(error instanceof AppError) || error.code === "interrupted" || cli.signal.aborted) throw error;
    const hint = error.hint === undefined ? "" : ` (${error.hint})`;
    cli.output.warn(
      `databases that swaps of ${target.name} replaced were not looked for: ${error.message}${hint}`,
    );
    return null;
  }
}
