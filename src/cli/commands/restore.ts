import { type Command, Option } from "commander";
import { defaultJobs } from "../../config/jobs.ts";
import { AppError, inOperation } from "../../errors.ts";
import { readingFromPlaces } from "../../operations/reading-places.ts";
import { recordingRestore } from "../../operations/restore/record.ts";
import type { RestoreReport, RestoreRequest, RestoreTarget } from "../../operations/restore/request.ts";
import { restoreDatabase } from "../../operations/restore/restore.ts";
import { isProviderBackupId } from "../../providers/backup-id.ts";
import { quoteForShell } from "../../operations/schedule/quoting.ts";
import { undoSwap } from "../../operations/restore/undo.ts";
import { resolveConnection } from "../../postgres/connection.ts";
import type { Storage } from "../../storage/storage.ts";
import type { Cli } from "../cli.ts";
import { confirmByName } from "../confirm.ts";
import {
  asOfOption,
  durationArgument,
  fileArgument,
  jobsArgument,
  many,
  momentArgument,
  placeOptions,
} from "../options.ts";
import {
  previewText,
  renderRestore,
  renderUndo,
  restoreJson,
  undoJson,
  undoText,
} from "../render/restore.ts";
import { type MissingRowsOptions, runMissingRows } from "./restore-missing.ts";
import { hintInFull, placesTyped, typed } from "../typed-again.ts";
import { type ProviderOptions, runProviderRestore } from "./restore-provider.ts";
import {
  DEFAULT_KEEP_REPLACED_MS,
  DEFAULT_LOCK_TIMEOUT_MS,
  type PlaceOptions,
  placesOf,
  resolveTarget,
  type Target,
} from "../targets.ts";

interface Options extends PlaceOptions, MissingRowsOptions, ProviderOptions {
  readonly provider?: true;
  readonly missingRows?: true;
  readonly undo?: true;
}

export function addRestore(program: Command, cli: () => Cli): void {
  placeOptions(program.command("restore"))
    .summary("bring a backup back")
    .description(
      "Restores a backup: into a new database unless told otherwise. The backup is checked before anything is created, and every table's rows are compared before the result gets its name. Nothing is ever replaced before its replacement was checked.",
    )
    .argument("<database>", "name from the strategy or the repository")
    .argument("[backup]", "latest, an id, the name of an archive, or a path", "latest")
    .addOption(
      new Option("--new-database <name>", "restore into a new database of this name").conflicts([
        "to",
        "swap",
        "undo",
      ]),
    )
    .addOption(
      new Option("--to <url>", "restore into the (new or empty) database that this URL names").conflicts([
        "swap",
        "undo",
      ]),
    )
    .addOption(
      new Option(
        "--swap",
        "put the backup in place of the live database, which is kept for --undo",
      ).conflicts("undo"),
    )
    .addOption(
      new Option("--undo", "put the database that the last --swap replaced back").conflicts([
        "schema",
        "table",
      ]),
    )
    .option("--schema <schema>", "only this schema (may be repeated)", many)
    .option("--table <table>", "only this table, written schema.table (may be repeated)", many)
    .addOption(
      new Option(
        "--missing-rows",
        "insert the rows of the named tables that are in the backup and, by primary key, no more in the live tables, in one transaction",
      ).conflicts("undo"),
    )
    .option("--where <sql>", "with --missing-rows: only rows for which this SQL condition holds")
    .option("--disable-triggers", "with --missing-rows: the tables' triggers do not fire, as with pg_restore")
    .option(
      "--undo-file <file>",
      "with --missing-rows: where to write the statements that take the rows out again (default: a new file here)",
    )
    .option(
      "--lock-timeout <duration>",
      "how long a swap, or an insert of missing rows, waits for a locked table",
      durationArgument,
    )
    .option(
      "--jobs <number>",
      "connections that load a snapshot (default: one a core; at most 64)",
      jobsArgument,
    )
    .addOption(
      new Option(
        "--provider",
        "make a new cluster of the managed service from one of its own backups, or as of a moment",
      ).conflicts(["newDatabase", "to", "undo", "missingRows", "schema", "table"]),
    )
    .option("--at <time>", "with --provider: the moment, such as 2024-12-10T14:05:00Z", momentArgument)
    .option(
      "--new-cluster <name>",
      "with --provider: name of the new cluster; one of this name that an earlier try made is gone on with",
    )
    .option("--destroy-after", "with --provider: destroy the new cluster once it was checked")
    .option(
      "--keep-on-failure",
      "with --provider and --new-cluster: a failure leaves the new cluster, and the same command goes on with it",
    )
    .option(
      "--url-file <file>",
      "with --provider: write the new connection string, with its password, into this new file that only you can read",
      fileArgument,
    )
    .option("--yes", "do not ask")
    .option("--dry-run", "check the backup and say what would be done")
    .addOption(asOfOption())
    .action(async (database: string, backup: string, options: Options) => {
      requireProvider(backup, options);
      const target = await resolveTarget(cli(), database, options);
      if (options.undo === true) await runUndo(cli(), target, options);
      else if (options.provider === true) await runProviderRestore(cli(), target, backup, options);
      else if (options.missingRows === true) await runMissing(cli(), target, backup, options);
      else await runRestore(cli(), target, backup, options);
    });
}

async function runMissing(cli: Cli, target: Target, which: string, options: Options): Promise<void> {
  await runMissingRows(cli, target, which, options).catch((error: unknown) => {
    throw explained(cli, target, options, error);
  });
}

function explained(cli: Cli, target: Target, options: Options, error: unknown): unknown {
  return error instanceof AppError && error.code !== "interrupted" && error.code !== "not_confirmed"
    ? inOperation(`restore ${target.name}`, hintInFull(error, everythingTyped(cli, options)))
    : error;
}

async function runRestore(cli: Cli, target: Target, which: string, options: Options): Promise<void> {
  const only = Object.entries(ONLY_MISSING).find(([name]) => options[name as keyof Options] !== undefined);
  if (only !== undefined)
    throw new AppError("usage", `restore: \`${only[1]}\` goes with \`--missing-rows\` only`);
  const report = await restore(cli, target, which, options).catch((error: unknown) => {
    throw explained(cli, target, options, error);
  });
  cli.output.result(restoreJson(target.name, report), () =>
    renderRestore(cli.output, target, report, undoCommand(cli, target, options)),
  );
}

const ONLY_MISSING = {
  where: "--where",
  disableTriggers: "--disable-triggers",
  undoFile: "--undo-file",
} satisfies Partial<Record<keyof Options, string>>;

/** What puts the replaced database back, from here. */
function undoCommand(cli: Cli, { name }: Target, { url }: Options): string {
  return `handled restore ${quoteForShell(name)} --undo${placesTyped(cli, { url })}`;
}

/** What this command line said of where to and what. */
function everythingTyped(cli: Cli, options: Options): string {
  const { newDatabase, to, swap, missingRows, where, schema = [], table = [] } = options;
  const words = [
    ...(newDatabase === undefined ? [] : ["--new-database", newDatabase]),
    ...(to === undefined ? [] : ["--to", to]),
    ...(swap === undefined ? [] : ["--swap"]),
    ...(missingRows === undefined ? [] : ["--missing-rows"]),
    ...(where === undefined ? [] : ["--where", where]),
    ...schema.flatMap((name) => ["--schema", name]),
    ...table.flatMap((name) => ["--table", name]),
  ];
  return typed(words) + placesTyped(cli, options);
}

async function restore(cli: Cli, target: Target, which: string, options: Options): Promise<RestoreReport> {
  const connection =
    options.to === undefined
      ? await target.connection()
      : await resolveConnection(cli.runtime, options.to, cli.signal);
  const from = async (storage: Storage | null, chosen: string) =>
    await restoreFrom(cli, target, { storage, which: chosen, connection }, options);
  if (target.storageIfKnown() === null) return await from(null, which);
  const places = placesOf(target, undefined);
  const reading = { places, database: target.name, which, operation: "restore" } as const;
  const work = async (): Promise<RestoreReport> =>
    await readingFromPlaces(
      cli.runtime,
      reading,
      async (chosen) => await from(chosen.storage, chosen.which),
      cli.signal,
    );
  return options.dryRun === true
    ? await work()
    : await recordingRestore(cli.runtime, reading, work, cli.signal);
}

async function restoreFrom(
  cli: Cli,
  target: Target,
  { storage, which, connection }: Pick<RestoreRequest, "storage" | "which" | "connection">,
  options: Options,
): Promise<RestoreReport> {
  return await restoreDatabase(
    cli.runtime,
    {
      database: target.name,
      which,
      storage,
      connection,
      target: chooseTarget(target, options),
      selection: { schemas: options.schema ?? [], tables: options.table ?? [] },
      timeZone: target.timeZone,
      keepReplacedMs: target.strategy?.keepReplacedMs ?? DEFAULT_KEEP_REPLACED_MS,
      lockTimeoutMs: options.lockTimeout ?? target.entry?.lockTimeoutMs ?? DEFAULT_LOCK_TIMEOUT_MS,
      jobs: options.jobs ?? defaultJobs(),
      dryRun: options.dryRun === true,
      confirm: async (preview) => {
        for (const line of previewText(preview, target.timeZone)) cli.output.note(line);
        if (preview.replaces) {
          await confirmByName(
            cli,
            `replace ${connection.database}`,
            connection.database,
            options.yes === true,
          );
        }
      },
    },
    cli.signal,
  );
}

function chooseTarget(target: Target, options: Options): RestoreTarget {
  if (options.to !== undefined) return { kind: "to" };
  if (options.swap === true) return { kind: "swap", application: target.entry?.application ?? null };
  return { kind: "new", name: options.newDatabase ?? null };
}

async function runUndo(cli: Cli, target: Target, options: Options): Promise<void> {
  const report = await undoSwap(
    cli.runtime,
    {
      connection: await target.connection(),
      application: target.entry?.application ?? null,
      timeZone: target.timeZone,
      keepReplacedMs: target.strategy?.keepReplacedMs ?? DEFAULT_KEEP_REPLACED_MS,
      dryRun: options.dryRun === true,
      confirm: async (preview) => {
        for (const line of undoText(preview, target.timeZone)) cli.output.note(line);
        await confirmByName(cli, `put ${preview.before} back`, preview.database, options.yes === true);
      },
    },
    cli.signal,
  );
  cli.output.result(undoJson(report), () => renderUndo(cli.output, report, target.timeZone));
}

const OF_PROVIDER = ["at", "newCluster", "destroyAfter", "keepOnFailure", "urlFile"] as const;

/** Without `--provider` they would be ignored, and another moment restored than the one asked for. */
function requireProvider(backup: string, options: Options): void {
  if (options.provider === true) return;
  if (isProviderBackupId(backup))
    throw new AppError("usage", `restore ${backup}: it is the managed service's own`, {
      hint: "add `--provider`: it is restored into a new cluster of the service",
    });
  if (OF_PROVIDER.every((one) => options[one] === undefined)) return;
  throw new AppError(
    "usage",
    "`--at`, `--new-cluster`, `--destroy-after`, `--keep-on-failure` and `--url-file` are for `--provider`",
    { hint: "add `--provider`; a backup of ours is chosen by its id, which `handled list` shows" },
  );
}
