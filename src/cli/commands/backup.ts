import type { Command } from "commander";
import { Option } from "commander";
import { resolve } from "node:path";
import type { Keep } from "../../config/keep.ts";
import type { StrategyBackup } from "../../config/strategy.ts";
import { defaultJobs } from "../../config/jobs.ts";
import { AppError, inOperation, isAppError, messageOf } from "../../errors.ts";
import { nearest } from "../../lib/text.ts";
import type { BackupRequest } from "../../operations/backup.ts";
import { backupToPlaces, type PlacesReport, type PlacesRequest } from "../../operations/backup-places.ts";
import type { Cli } from "../cli.ts";
import {
  copyJobsOf,
  durationArgument,
  fileArgument,
  jobsArgument,
  keepOption,
  many,
  newPlaceOption,
  placeOptions,
} from "../options.ts";
import { backupJson, renderBackup } from "../render/backup.ts";
import { reportFailure } from "../failure.ts";
import { keepStrategyOf } from "../keep-strategy.ts";
import { beginPings } from "../../notify/pings.ts";
import {
  DEFAULT_LOCK_TIMEOUT_MS,
  placesOf,
  type PlaceOptions,
  resolveTargets,
  type Target,
} from "../targets.ts";

interface Options extends PlaceOptions {
  readonly backup?: string;
  readonly kind?: "archive" | "snapshot";
  readonly format?: "plain" | "custom";
  readonly compression?: "gzip" | "zstd";
  readonly schema?: string[];
  readonly file?: string;
  readonly overwrite?: true;
  readonly lockTimeout?: number;
  readonly keep?: Keep;
  readonly jobs?: number;
  readonly fullRead?: true;
  readonly newPlace?: true;
}

export function addBackup(program: Command, cli: () => Cli): void {
  placeOptions(program.command("backup"))
    .summary("take backups")
    .description(
      "Takes a backup of each named database, or of all in the strategy: where a database has several, one of them. An archive is read back and compared with the " +
        "database before it counts. A snapshot reads and stores only what changed since the last one.",
    )
    .argument("[database...]", "names from the strategy; all when none is given")
    .option(
      "--backup <name>",
      "which of the database's backups in the strategy (default: the first, or with --kind the first of that kind)",
    )
    .addOption(new Option("--kind <kind>", "kind of backup").choices(["archive", "snapshot"]))
    .addOption(new Option("--format <format>", "format of an archive").choices(["plain", "custom"]))
    .addOption(new Option("--compression <name>", "compression").choices(["gzip", "zstd"]))
    .option("--schema <schema>", "only this schema (may be repeated)", many)
    .option("--file <path>", "also copy the archive to this path", fileArgument)
    .option("--overwrite", "let --file replace a file that is there")
    .option(
      "--jobs <number>",
      "connections that read a snapshot (default: one a core; at most 64)",
      jobsArgument,
    )
    .option("--full-read", "read and store everything of a snapshot anew, also what is there already")
    .option("--lock-timeout <duration>", "how long to wait for a locked table", durationArgument)
    .option(
      "--recipient <age1…>",
      "seal a new repository to this key, instead of those of the strategy (may be repeated)",
      many,
    )
    .addOption(newPlaceOption())
    .addOption(keepOption())
    .action(async (names: string[], options: Options) => {
      await runBackup(cli(), names, options);
    });
}

async function runBackup(cli: Cli, names: readonly string[], options: Options): Promise<void> {
  const targets = await resolveTargets(cli, names, options);
  if (options.file !== undefined && targets.length > 1) {
    throw new AppError("usage", "`--file` takes one database, and more than one would be backed up", {
      hint: `name one: ${targets.map((target) => target.name).join(", ")}`,
    });
  }
  // One database that fails must not keep the others from being backed up.
  const failures: unknown[] = [];
  let degraded = false;
  for (const target of targets) {
    try {
      const report = await backupTarget(cli, target, options);
      cli.output.result(backupJson(report), () => renderBackup(cli.output, target.name, report));
      if (isDegradedBackup(report)) degraded = true;
    } catch (error) {
      if (targets.length === 1 || isAppError(error, "interrupted") || cli.signal.aborted)
        throw inBackup(target, error);
      failures.push(error);
      reportFailure(cli.output, inBackup(target, error));
    }
  }
  if (failures.length === targets.length && failures.length > 0)
    cli.exitWith(failures[0] instanceof AppError ? failures[0].exitCode : 1);
  else if (failures.length > 0 || degraded) cli.exitWith(3);
}

function inBackup(target: Target, error: unknown): unknown {
  return error instanceof AppError && error.code !== "unexpected"
    ? inOperation(`back up ${target.name}`, error)
    : error;
}

async function backupTarget(cli: Cli, target: Target, options: Options): Promise<PlacesReport> {
  const entry = chooseBackup(cli, target, options);
  const how = howTo(options, entry);
  // A run with other schemas, or of another kind, is not the run that the strategy asked for.
  const schedule = options.schema === undefined && how.kind === entry?.kind ? entry.name : null;
  return await withPings(cli, target, schedule, async () => {
    const request: PlacesRequest = {
      database: target.name,
      connection: await target.connection(),
      places: placesOf(target, options.keep),
      copyJobs: copyJobsOf({}),
      sources: target.entry?.rebuild?.sources ?? [],
      newPlace: options.newPlace === true,
      schemas: options.schema ?? target.entry?.schemas ?? null,
      schedule,
      how,
      prefix: target.prefix,
      timeZone: target.timeZone,
      heartbeat: target.entry?.heartbeat === true,
      lockTimeoutMs: options.lockTimeout ?? target.entry?.lockTimeoutMs ?? DEFAULT_LOCK_TIMEOUT_MS,
      file:
        options.file === undefined
          ? null
          : { path: resolve(cli.cwd, options.file), overwrite: options.overwrite === true },
    };
    const report = await backupToPlaces(cli.runtime, request, cli.signal);
    await keepStrategyOf(cli, target, report);
    return report;
  });
}

/** The backup is whole, but a place lacks it, or something is wrong with what tells us that rows did not change. */
function isDegradedBackup({ index, degraded }: PlacesReport): boolean {
  return degraded || (index.kind === "snapshot" && index.snapshot.sample.differing > 0);
}

/** What watches the backup from outside hears what the exit code says. */
async function withPings(
  cli: Cli,
  { name: database, strategy }: Target,
  entry: string | null,
  work: () => Promise<PlacesReport>,
): Promise<PlacesReport> {
  const pings = beginPings(cli.runtime, strategy, { database, entry });
  try {
    const report = await work();
    const { id } = report.index;
    if (isDegradedBackup(report)) await pings.end("fail", `${id} was taken, and the run ended degraded`);
    else await pings.end("success", `${id} was taken`);
    return report;
  } catch (error) {
    await pings.end("fail", messageOf(cli.signal.aborted ? cli.signal.reason : error));
    throw error;
  }
}

/** What the options say, else the strategy's entry, else the defaults. An option of the other kind is refused. */
function howTo(options: Options, entry: StrategyBackup | undefined): BackupRequest["how"] {
  const kind = options.kind ?? entry?.kind ?? "archive";
  const [others, hint] =
    kind === "archive"
      ? [{ "--jobs": options.jobs, "--full-read": options.fullRead }, "add `--kind snapshot`"]
      : [{ "--format": options.format, "--compression": options.compression }, "add `--kind archive`"];
  for (const [option, value] of Object.entries(others)) {
    if (value !== undefined)
      throw new AppError("usage", `\`${option}\` is nothing a backup of kind ${kind} has`, { hint });
  }
  // An entry of the other kind says nothing about this one.
  const same = entry?.kind === kind ? entry : undefined;
  if (kind === "archive") {
    return {
      kind,
      format: options.format ?? same?.format ?? "plain",
      compression: options.compression ?? same?.compression ?? "gzip",
    };
  }
  return {
    kind,
    jobs: options.jobs ?? same?.jobs ?? defaultJobs(),
    fullRead: options.fullRead === true,
  };
}

/** The entry that is named, else the first, of the kind that is asked for where there is one. */
function chooseBackup(cli: Cli, target: Target, { backup: name, kind }: Options): StrategyBackup | undefined {
  const backups = target.entry?.backups ?? [];
  if (name === undefined) {
    const chosen = backups.find((backup) => backup.kind === kind) ?? backups[0];
    const others = backups.filter((backup) => backup !== chosen).map((backup) => backup.name);
    if (chosen !== undefined && kind === undefined && others.length > 0)
      cli.output.note(
        `${target.name}: takes ${chosen.name} (${chosen.kind}), the first of its backups; \`--backup NAME\` takes another: ${others.join(", ")}`,
      );
    return chosen;
  }
  const found = backups.find((backup) => backup.name === name);
  if (found !== undefined) return found;
  const names = backups.map((backup) => backup.name);
  const guess = nearest(name, names);
  throw new AppError("usage", `find the entry ${name} of the strategy: ${target.name} has no such backup`, {
    hint: guess === undefined ? `it has: ${names.join(", ") || "none"}` : `did you mean ${guess}?`,
  });
}
