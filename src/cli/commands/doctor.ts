import type { Command } from "commander";
import { AppError, isAppError } from "../../errors.ts";
import { type DoctorDatabase, examine } from "../../operations/doctor/doctor.ts";
import type { Cli } from "../cli.ts";
import { many, placeOptions } from "../options.ts";
import { doctorJson, renderDoctor } from "../render/doctor.ts";
import { type PlaceOptions, resolveTargets, type Target } from "../targets.ts";

interface Options extends PlaceOptions {
  readonly schema?: string[];
}

export function addDoctor(program: Command, cli: () => Cli): void {
  placeOptions(program.command("doctor"))
    .summary("could a backup and a restore run here, now?")
    .description(
      "Looks at client programs, connections, privileges, repositories, space, clocks and locks, and says for each finding what to do. Exits 0 only if a backup of every named database could run now.",
    )
    .argument("[database...]", "names from the strategy; all when none is given")
    .option("--schema <schema>", "only this schema (may be repeated)", many)
    .action(async (names: string[], options: Options) => {
      await runDoctor(cli(), names, options);
    });
}

async function runDoctor(cli: Cli, names: readonly string[], options: Options): Promise<void> {
  const targets = await targetsOrReason(cli, names, options);
  const report = await examine(
    cli.runtime,
    {
      machine: { nodeVersion: process.versions.node, uid: process.getuid?.() ?? -1 },
      strategy: "reason" in targets ? null : (targets.found[0]?.strategy ?? null),
      strategyError: "reason" in targets ? targets.reason : null,
      databases: "reason" in targets ? [] : targets.found.map((target) => databaseOf(target, options)),
    },
    cli.signal,
  );
  cli.output.result(doctorJson(report), () => renderDoctor(cli.output, report));
  cli.exitWith(report.exitCode);
}

/** Without any strategy the machine can still be looked at. */
async function targetsOrReason(
  cli: Cli,
  names: readonly string[],
  options: Options,
): Promise<{ found: Target[] } | { reason: AppError }> {
  try {
    return { found: await resolveTargets(cli, names, options) };
  } catch (error) {
    if (isAppError(error, "strategy_missing") && cli.config === undefined) return { reason: error };
    throw error;
  }
}

function databaseOf(target: Target, { schema }: Options): DoctorDatabase {
  const { entry } = target;
  return {
    name: target.name,
    connection: () => target.connection(),
    places: placesOf(target),
    schemas: schema ?? entry?.schemas ?? null,
    backups: entry === null || entry.backups.length === 0 ? [{ name: null }] : entry.backups,
  };
}

/** Where none is known, asking for it says why. */
function placesOf(target: Target): DoctorDatabase["places"] {
  try {
    return target.places();
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return [{ name: "", storage: () => target.storage() }];
  }
}
