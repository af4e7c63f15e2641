import { resolve } from "node:path";
import { type Command, Option } from "commander";
import { defaultJobs } from "../../config/jobs.ts";
import { AppError, inOperation } from "../../errors.ts";
import { exportBackup } from "../../operations/export.ts";
import type { Place } from "../../operations/places.ts";
import { readingFromPlaces } from "../../operations/reading-places.ts";
import { type ArchiveFile, BackupId } from "../../repository/manifest.ts";
import type { Cli } from "../cli.ts";
import { asOfOption, fileArgument, jobsArgument, placeOptions } from "../options.ts";
import { exportJson, renderExport } from "../render/export.ts";
import { resolveBackup } from "../repositories.ts";
import { placesTyped, hintInFull } from "../typed-again.ts";
import { type PlaceOptions, placesOf, resolveTarget } from "../targets.ts";

interface Options extends PlaceOptions {
  readonly format: ArchiveFile["format"];
  readonly compression: ArchiveFile["compression"];
  readonly file: string;
  readonly overwrite?: boolean;
  readonly jobs?: number;
}

export function addExport(program: Command, cli: () => Cli): void {
  placeOptions(program.command("export"))
    .summary("make a stock archive of a backup")
    .description(
      "Writes a backup as one file that psql or pg_restore restores without this program, reads it back and compares its " +
        "rows with the backup. Needs only the repository; a custom archive of a snapshot also a PostgreSQL server installed here.",
    )
    .argument("<database>", "name from the strategy or the repository, or a backup's id")
    .argument("[backup]", "latest, an id, the name of an archive, or a file", "latest")
    .requiredOption("--file <path>", "the file to write", fileArgument)
    .addOption(
      new Option("--format <format>", "plain: SQL for psql; custom: for pg_restore")
        .choices(["plain", "custom"])
        .default("plain"),
    )
    .addOption(new Option("--compression <method>", "of the file").choices(["gzip", "zstd"]).default("gzip"))
    .option("--overwrite", "replace the file if it is there")
    .option(
      "--jobs <number>",
      "connections where a server is needed (default: one a core; at most 64)",
      jobsArgument,
    )
    .addOption(asOfOption())
    .action(async (database: string, backup: string, options: Options) => {
      await runExport(cli(), database, backup, options);
    });
}

async function runExport(cli: Cli, database: string, backup: string, options: Options): Promise<void> {
  const { format, compression, overwrite = false, jobs = defaultJobs() } = options;
  const { name, which, places } = await subjectOf(cli, database, backup, options);
  const started = cli.runtime.clock.monotonic();
  const file = { path: resolve(cli.cwd, options.file), overwrite };
  const report = await readingFromPlaces(
    cli.runtime,
    { places, database: name, which, operation: "export" },
    async (chosen) => {
      const request = { ...chosen, database: name, format, compression, file, jobs };
      return await exportBackup(cli.runtime, request, cli.signal);
    },
    cli.signal,
  ).catch((error: unknown) => {
    throw error instanceof AppError && error.code !== "unexpected" && error.code !== "interrupted"
      ? inOperation(`export ${name}`, hintInFull(error, placesTyped(cli, options)))
      : error;
  });
  const durationMs = Math.round(cli.runtime.clock.monotonic() - started);
  cli.output.result(exportJson(report, { format, compression }, durationMs), () =>
    renderExport(cli.output, report, durationMs),
  );
}

async function subjectOf(
  cli: Cli,
  database: string,
  backup: string,
  options: PlaceOptions,
): Promise<{ name: string; which: string; places: readonly Place[] }> {
  const id = BackupId.safeParse(database);
  if (id.success && backup === "latest") {
    const target = await resolveBackup(cli, id.data, options);
    return { name: target.name, which: id.data, places: placesOf(target, undefined) };
  }
  const target = await resolveTarget(cli, database, options);
  return { name: target.name, which: backup, places: placesOf(target, undefined) };
}
