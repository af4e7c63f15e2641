import { resolve } from "node:path";
import { defaultJobs } from "../../config/jobs.ts";
import { AppError } from "../../errors.ts";
import { restoreMissingRows } from "../../operations/missing-rows/missing-rows.ts";
import { recordingMissingRows } from "../../operations/missing-rows/record.ts";
import type { MissingRowsReport } from "../../operations/missing-rows/request.ts";
import { readingFromPlaces } from "../../operations/reading-places.ts";
import type { Storage } from "../../storage/storage.ts";
import type { Cli } from "../cli.ts";
import { confirmByName } from "../confirm.ts";
import { missingJson, missingPreviewText, renderMissing } from "../render/missing-rows.ts";
import { DEFAULT_LOCK_TIMEOUT_MS, placesOf, type Target } from "../targets.ts";

export interface MissingRowsOptions {
  readonly to?: string;
  readonly newDatabase?: string;
  readonly swap?: true;
  readonly schema?: string[];
  readonly table?: string[];
  readonly where?: string;
  readonly disableTriggers?: true;
  readonly undoFile?: string;
  readonly lockTimeout?: number;
  readonly jobs?: number;
  readonly yes?: true;
  readonly dryRun?: true;
}

/** `handled restore --missing-rows`. */
export async function runMissingRows(
  cli: Cli,
  target: Target,
  which: string,
  options: MissingRowsOptions,
): Promise<void> {
  requireSensible(options);
  const { runtime, signal } = cli;
  const connection = await target.connection();
  const from = async (storage: Storage | null, chosen: string): Promise<MissingRowsReport> =>
    await restoreMissingRows(
      runtime,
      {
        database: target.name,
        which: chosen,
        storage,
        connection,
        tables: options.table ?? [],
        where: options.where ?? null,
        disableTriggers: options.disableTriggers === true,
        lockTimeoutMs: options.lockTimeout ?? target.entry?.lockTimeoutMs ?? DEFAULT_LOCK_TIMEOUT_MS,
        jobs: options.jobs ?? defaultJobs(),
        dryRun: options.dryRun === true,
        undoFile: resolve(cli.cwd, options.undoFile ?? undoFileName(cli, target)),
        confirm: async (preview) => {
          for (const line of missingPreviewText(preview, target.timeZone)) cli.output.note(line);
          const what = `insert rows into ${connection.database}`;
          await confirmByName(cli, what, connection.database, options.yes === true);
        },
      },
      signal,
    );
  let report: MissingRowsReport;
  if (target.storageIfKnown() === null) {
    report = await from(null, which);
  } else {
    const places = placesOf(target, undefined);
    const reading = { places, database: target.name, which, operation: "restore" } as const;
    const work = async (): Promise<MissingRowsReport> =>
      await readingFromPlaces(runtime, reading, async (one) => await from(one.storage, one.which), signal);
    report =
      options.dryRun === true ? await work() : await recordingMissingRows(runtime, reading, work, signal);
  }
  cli.output.result(missingJson(report), () => renderMissing(report, target.timeZone));
}

function requireSensible(options: MissingRowsOptions): void {
  if (options.schema !== undefined) {
    throw new AppError("usage", "restore --missing-rows: `--schema` is not for single rows", {
      hint: "name the tables, each with `--table`",
    });
  }
  if (options.to !== undefined || options.newDatabase !== undefined || options.swap === true) {
    throw new AppError("usage", "restore --missing-rows: the rows go into the live database, nowhere else", {
      hint: "leave `--to`, `--new-database` and `--swap` out; `--url` names the live database",
    });
  }
}

function undoFileName({ runtime }: Cli, { name }: Target): string {
  const at = runtime.clock
    .now()
    .toISOString()
    .replaceAll(/[-:]|\.\d+/g, "");
  return `handled-undo-${encodeURIComponent(name)}-${at}.sql`;
}
