import { AppError } from "../../errors.ts";
import { assumedWindowFrom } from "../../health/provider-view.ts";
import { checkedRestores } from "../../operations/provider/record.ts";
import { timeOfProviderBackup } from "../../providers/backup-id.ts";
import { provesBackup } from "../../repository/provider-restores.ts";
import type { Cli } from "../cli.ts";
import { providerOf } from "../provider-of.ts";
import { providerShowJson, renderProviderShow } from "../render/provider-backup.ts";
import { requireStrategy } from "../strategy-file.ts";
import { type PlaceOptions, resolveTarget, storagesOf, type Target } from "../targets.ts";

/** `handled show [DATABASE] provider:TIME`. */
export async function runShowProvider(
  cli: Cli,
  named: string | undefined,
  id: string,
  options: PlaceOptions,
): Promise<void> {
  requireTime(id);
  const target = await resolveTarget(cli, named ?? (await onlyManaged(cli, id)), options);
  const shown = await findProviderBackup(cli, target, id);
  const now = cli.runtime.clock.now();
  cli.output.result(providerShowJson(shown), () => renderProviderShow(shown, now, target.timeZone));
}

function requireTime(id: string): Date {
  const at = timeOfProviderBackup(id);
  if (at !== undefined) return at;
  throw new AppError("usage", `show ${id}: that is no time`, {
    hint: "`handled list` shows those that there are, such as provider:2024-12-10T03:00:05Z",
  });
}

/** One of a managed service's own backups of a database. Fails with `usage` where there is no service, and with `backup_missing`. */
export async function findProviderBackup(
  cli: Cli,
  target: Target,
  id: string,
): Promise<Parameters<typeof providerShowJson>[0]> {
  const at = requireTime(id);
  const { provider, managed } = providerOf(cli, target);
  const cluster = await provider.find(managed.cluster, cli.signal);
  const backups = await provider.backups(cluster, cli.signal);
  const backup = backups.find(
    ({ createdAt }) => Math.floor(createdAt.getTime() / 1000) === Math.floor(at.getTime() / 1000),
  );
  if (backup === undefined)
    throw new AppError("backup_missing", `show ${target.name} ${id}: the service lists no such backup`, {
      hint: `\`handled list ${target.name}\` shows those that there are`,
    });
  const recorded = { database: target.name, storages: storagesOf(target) };
  const restores = (await checkedRestores(cli.runtime, recorded, cli.signal)).filter((one) =>
    provesBackup({ ...one, unread: 0 }, backup.createdAt),
  );
  const now = cli.runtime.clock.now();
  const windowFrom = assumedWindowFrom(backups, { windowMs: managed.windowMs, now });
  return { database: target.name, cluster, backup, windowFrom, restores };
}

async function onlyManaged(cli: Cli, id: string): Promise<string> {
  const { databases } = await requireStrategy(cli);
  const managed = databases.filter(({ provider }) => provider !== undefined);
  const [first] = managed;
  if (first !== undefined && managed.length === 1) return first.name;
  const names = managed.map(({ name }) => name).join(", ");
  throw new AppError(
    "usage",
    `show ${id}: ${first === undefined ? "no database of the strategy has a `provider`" : `${names} each have a managed service`}`,
    { hint: `name the database before it: \`handled show ${first?.name ?? "DATABASE"} ${id}\`` },
  );
}
