import type { ProviderView } from "../../health/provider-view.ts";
import { counted, formatBytes } from "../../lib/text.ts";
import { providerBackupId } from "../../providers/backup-id.ts";
import type { ProviderBackup, ProviderCluster } from "../../providers/provider.ts";
import type { ProviderRestoreFile } from "../../repository/provider-restore-file.ts";
import { provesBackup } from "../../repository/provider-restores.ts";
import type { ProviderShowJson, ProviderViewJson } from "../../json/provider.ts";
import { formatAge, formatTime } from "./time.ts";

/** What lists of backups give of a managed service's own. */
export function providerViewJson(view: ProviderView | null): ProviderViewJson {
  if (view === null) return null;
  const { backups, error, windowFrom, restores } = view;
  const [last] = restores;
  return {
    backups: backups.map((one) => ofProvider(one, restores)),
    assumedWindowFrom: windowFrom.toISOString(),
    restored: last === undefined ? null : checkedJson(last),
    error,
  };
}

export function ofProvider(
  { createdAt, bytes }: ProviderBackup,
  restores: readonly ProviderRestoreFile[],
): Pick<ProviderShowJson, "id" | "createdAt" | "bytes" | "provenAt"> {
  const proof = restores.find((one) => provesBackup(one, createdAt));
  return {
    id: providerBackupId(createdAt),
    createdAt: createdAt.toISOString(),
    bytes,
    provenAt: proof?.finishedAt ?? null,
  };
}

function checkedJson(file: ProviderRestoreFile): ProviderShowJson["restores"][number] {
  const { at, exact, cluster, finishedAt, tables, filled, unread, bytes } = file;
  return {
    at,
    exact,
    cluster: cluster.name,
    finishedAt,
    tables,
    filledTables: filled,
    unreadTables: unread,
    bytes,
  };
}

/** One of the service's backups, and what is known of it. */
interface ShownProviderBackup {
  readonly database: string;
  readonly cluster: ProviderCluster;
  readonly backup: ProviderBackup;
  readonly windowFrom: Date;
  /** Of this very backup, newest first. */
  readonly restores: readonly ProviderRestoreFile[];
}

export function providerShowJson({
  database,
  cluster,
  backup,
  windowFrom,
  restores,
}: ShownProviderBackup): ProviderShowJson {
  return {
    ...ofProvider(backup, restores),
    database,
    kind: "provider",
    cluster: cluster.name,
    region: cluster.region,
    size: cluster.size,
    assumedWindowFrom: windowFrom.toISOString(),
    restores: restores.map(checkedJson),
  };
}

export function renderProviderShow(
  { database, cluster, backup, windowFrom, restores }: ShownProviderBackup,
  now: Date,
  timeZone: string,
): string {
  const { createdAt, bytes } = backup;
  const lines: [string, string][] = [
    ["Database", database],
    ["Kind", "the managed service's own: it tells its time and its size, and nothing else"],
    ["Taken", `${formatTime(createdAt, timeZone)} (${formatAge(createdAt, now)})`],
    ["Cluster", `${cluster.name}, ${cluster.size}, ${cluster.region}`],
    ["Size", formatBytes(bytes)],
    ["Window", `any moment since ${formatTime(windowFrom, timeZone)} is assumed, the service does not tell`],
    ["Restored", describeRestores(restores, now)],
    ["To restore", `handled restore ${database} --provider --at ${createdAt.toISOString()}`],
  ];
  const width = Math.max(...lines.map(([name]) => name.length));
  return lines.map(([name, text]) => `${name.padEnd(width)}  ${text}`).join("\n");
}

function describeRestores([last]: readonly ProviderRestoreFile[], now: Date): string {
  if (last === undefined) return "never, as far as is recorded";
  const { finishedAt, cluster, tables, filled, unread } = last;
  const lacking = unread === 0 ? "" : `, ${unread} that could not be looked into: not proven`;
  return `${formatAge(new Date(finishedAt), now)}, into ${cluster.name}: ${counted(tables, "table")}, ${filled} with rows${lacking}`;
}
