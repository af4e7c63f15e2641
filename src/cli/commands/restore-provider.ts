import { AppError, DEGRADED_EXIT, inOperation } from "../../errors.ts";
import { checkedRestores, recordingProviderRestore } from "../../operations/provider/record.ts";
import {
  type ProviderRestoreReport,
  type ProviderRestoreRequest,
  restoreFromProvider,
} from "../../operations/provider/restore.ts";
import { timeOfProviderBackup } from "../../providers/backup-id.ts";
import type { Storage } from "../../storage/storage.ts";
import type { Cli } from "../cli.ts";
import { confirmByName } from "../confirm.ts";
import { providerOf } from "../provider-of.ts";
import { previewText, renderRestored, restoredJson } from "../render/provider.ts";
import { formatAge, formatTime } from "../render/time.ts";
import { storagesOf, type Target } from "../targets.ts";
import { openUrlFile } from "../url-file.ts";

export interface ProviderOptions {
  readonly at?: Date;
  readonly newCluster?: string;
  readonly destroyAfter?: true;
  readonly keepOnFailure?: true;
  readonly urlFile?: string;
  readonly swap?: true;
  readonly yes?: true;
  readonly dryRun?: true;
}

/** `handled restore DATABASE --provider`. */
export async function runProviderRestore(
  cli: Cli,
  target: Target,
  which: string,
  options: ProviderOptions,
): Promise<void> {
  const { provider, managed } = providerOf(cli, target);
  const recorded = { database: target.name, storages: knownStorages(cli, target) };
  if (options.swap === true) throw await noSwap(cli, recorded, target.timeZone);
  const byId = which === "latest" ? undefined : timeOfProviderBackup(which);
  if (which !== "latest" && (byId === undefined || options.at !== undefined))
    throw new AppError(
      "usage",
      `restore ${target.name}: the service's backups have no names, ${which} is given`,
      {
        hint: "choose one by its time: `--at TIME`, or `provider:TIME` as `handled list` shows it",
      },
    );
  if (options.keepOnFailure === true && options.newCluster === undefined)
    throw new AppError("usage", `restore ${target.name}: \`--keep-on-failure\` is for \`--new-cluster\``, {
      hint: "without a name of yours, no later command could go on with the cluster",
    });
  const dryRun = options.dryRun === true;
  const urlFile = options.urlFile === undefined || dryRun ? undefined : await openUrlFile(options.urlFile);
  let unwritten: AppError | undefined;
  const database = managed.database ?? (await target.connection()).database;
  const request: ProviderRestoreRequest = {
    provider,
    cluster: managed.cluster,
    database,
    at: options.at ?? byId,
    windowMs: managed.windowMs,
    lifetimeMs: managed.lifetimeMs,
    deadlineMs: managed.deadlineMs,
    clusterLimit: managed.clusterLimit,
    dryRun,
    destroyAfter: options.destroyAfter === true,
    ...(options.newCluster === undefined ? {} : { name: options.newCluster }),
    keepOnFailure: options.keepOnFailure === true,
    confirm: async (preview) => {
      for (const line of previewText(preview, managed, target.timeZone)) cli.output.note(line);
      const what = preview.moment.exact
        ? `make a new cluster from ${preview.source.name}`
        : `make a new cluster from ${preview.source.name} as of a moment that is not that of a backup`;
      await confirmByName(cli, what, preview.source.name, options.yes === true);
    },
    useUrl: async (url) => {
      await urlFile?.write(url).catch((error: unknown) => {
        if (!(error instanceof AppError)) throw error;
        unwritten = error;
      });
    },
  };
  const work = async (): Promise<ProviderRestoreReport> =>
    await restoreFromProvider(cli.runtime, request, cli.signal);
  const report = await (dryRun
    ? work()
    : recordingProviderRestore(cli.runtime, recorded, work, cli.signal)
  ).catch(async (error: unknown) => {
    await urlFile?.drop();
    throw error instanceof AppError && error.code !== "interrupted" && error.code !== "not_confirmed"
      ? inOperation(`restore ${target.name}`, error)
      : error;
  });
  if (report.done === null)
    for (const line of previewText(report.preview, managed, target.timeZone)) cli.output.note(line);
  if (unwritten !== undefined)
    cli.output.warn(
      `${unwritten.message}; the cluster is there all the same, and its password in the service's control panel`,
    );
  const written = unwritten === undefined && report.done !== null ? options.urlFile : undefined;
  const about = { database: target.name, inCluster: database, managed, urlFile: written, report };
  cli.output.result(restoredJson(about), () => renderRestored(cli.output, about, target.timeZone));
  const { access, content } = report.done ?? {};
  if (unwritten !== undefined) cli.exitWith(DEGRADED_EXIT);
  if ((access?.lacking.length ?? 0) > 0 || (content?.unread.length ?? 0) > 0) cli.exitWith(DEGRADED_EXIT);
}

/** Where our own places cannot be named, the service's backups can be restored all the same. */
function knownStorages(cli: Cli, target: Target): Storage[] {
  try {
    return storagesOf(target);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    cli.output.warn(`this restore is recorded nowhere: ${error.message}`);
    return [];
  }
}

const PROVEN_WITHIN_MS = 24 * 3_600_000;

/** Why nothing is restored in place, and what stands in for it. */
async function noSwap(
  cli: Cli,
  recorded: { readonly database: string; readonly storages: readonly Storage[] },
  timeZone: string,
): Promise<AppError> {
  const { database } = recorded;
  const now = cli.runtime.clock.now();
  const proven = (await checkedRestores(cli.runtime, recorded, cli.signal)).find(
    ({ unread, finishedAt }) => unread === 0 && now.getTime() - Date.parse(finishedAt) <= PROVEN_WITHIN_MS,
  );
  const message = `restore ${database}: in place is refused unless a restore to a new cluster was proven within a day, and the service has no way to restore in place at all`;
  if (proven === undefined)
    return new AppError("swap_refused", `${message}; none was proven within a day`, {
      hint: `\`handled restore ${database} --provider\` makes a new cluster and checks it; point the application at it, or back it up and restore that with \`--swap\``,
    });
  const { cluster, source, at, finishedAt } = proven;
  return new AppError(
    "swap_refused",
    `${message}; proven: ${cluster.name}, from ${source.name} as of ${formatTime(new Date(at), timeZone)}, ${formatAge(new Date(finishedAt), now)}`,
    {
      hint: "if it is still there (`handled provider list`), point the application at it; or back it up and restore that with `--swap`",
    },
  );
}
