import type { ManagedBy } from "../../config/provider.ts";
import { counted, formatBytes, formatDuration } from "../../lib/text.ts";
import type { ProviderRestorePreview, ProviderRestoreReport } from "../../operations/provider/restore.ts";
import type { Swept } from "../../operations/provider/sweep.ts";
import { describeStatus } from "../../providers/describe-status.ts";
import type { StatusPage } from "../../providers/status-page.ts";
import { type ProviderBackup, type ProviderCluster, urlOfDatabase } from "../../providers/provider.ts";
import type { ProviderListJson, ProviderRestoreJson, ProviderSweepJson } from "../../json/provider.ts";
import type { Output } from "../output.ts";
import { renderTable } from "./table.ts";
import { formatAge, formatTime } from "./time.ts";

/** What the service has of one database. */
export interface ProviderListing {
  readonly database: string;
  /** Null where no status page is known. */
  readonly status: StatusPage | null;
  readonly cluster: ProviderCluster;
  readonly backups: readonly ProviderBackup[];
  readonly windowFrom: Date;
  readonly made: readonly ProviderCluster[];
}

/** What is about to be made, and what that takes, before a person agrees to it. */
export function previewText(
  { source, name, moment, until, clusters, clusterLimit, adopted }: ProviderRestorePreview,
  { price }: ManagedBy,
  timeZone: string,
): string[] {
  const { at, exact, backup } = moment;
  const time = formatTime(at, timeZone);
  const nearest = formatTime(backup.createdAt, timeZone);
  return [
    `from ${source.name}, ${exact ? `its backup of ${time}` : `as of ${time}`} (${timeZone})`,
    ...(exact
      ? []
      : [
          `the service promises the times of its backups only, and may refuse another second or round it: check what you get. The nearest backup before: \`--at ${backup.createdAt.toISOString()}\` (${nearest})`,
        ]),
    `${adopted === null ? "into a new cluster" : "goes on with cluster"} ${name}: ${source.size}, ${counted(source.nodes, "node")}, ${source.region}, PostgreSQL ${source.version ?? "of the same version"}; it may stay until ${formatTime(until, timeZone)}`,
    `the account has ${counted(clusters, "cluster")}${clusterLimit === undefined ? "; how many it may have the service does not tell" : ` of at most ${clusterLimit}`}`,
    price === undefined
      ? `price: that of another ${source.size}, which the service does not tell; ${source.name} costs the same`
      : `price: ${price}`,
  ];
}

interface Restored {
  readonly database: string;
  readonly inCluster: string;
  readonly managed: ManagedBy;
  readonly urlFile: string | undefined;
  readonly report: ProviderRestoreReport;
}

export function restoredJson({
  database,
  inCluster,
  managed,
  urlFile,
  report,
}: Restored): ProviderRestoreJson {
  const { preview, done } = report;
  const { source, moment, name, until, clusters, clusterLimit = null, adopted } = preview;
  return {
    database,
    source: source.name,
    at: moment.at.toISOString(),
    exact: moment.exact,
    backup: moment.backup.createdAt.toISOString(),
    cluster: name,
    adopted: adopted !== null,
    id: done?.cluster.id ?? null,
    until: until.toISOString(),
    clusters,
    clusterLimit,
    price: managed.price ?? null,
    dryRun: done === null,
    url: done === null ? null : openUrl(done.cluster, inCluster),
    urlFile: done === null ? null : (urlFile ?? null),
    tables: done?.content.tables ?? null,
    filledTables: done?.content.filled ?? null,
    unreadTables: [...(done?.content.unread ?? [])],
    bytes: done?.content.bytes ?? null,
    newUsers: [...(done?.access.newUsers ?? [])],
    newPools: [...(done?.access.newPools ?? [])],
    lacking: [...(done?.access.lacking ?? [])],
    destroyed: done?.destroyed ?? false,
    durationMs: done?.durationMs ?? null,
  };
}

/** Without its password. */
function openUrl({ url }: ProviderCluster, database: string): string | null {
  if (url === null) return null;
  const open = new URL(urlOfDatabase(url, database));
  open.password = "";
  return open.href;
}

export function renderRestored(output: Output, restored: Restored, timeZone: string): string {
  const { inCluster, urlFile, report } = restored;
  const { preview, done } = report;
  if (done === null) return "nothing was made: this was a dry run";
  const { content, access, cluster } = done;
  const took = formatDuration(done.durationMs);
  const has = `${inCluster} has ${counted(content.tables, "table")}, ${content.filled} with rows, ${formatBytes(content.bytes)}`;
  const lines = [
    `${output.paint("green", "✓")} ${preview.source.name} is restored into ${preview.name} in ${took}: ${has}`,
    `  ${counted(access.sources, "trusted source")} brought over`,
    ...(access.newUsers.length === 0 ? [] : [`  users with new passwords: ${access.newUsers.join(", ")}`]),
    ...(content.unread.length === 0
      ? []
      : [
          `${output.paint("red", "✗")} not checked, for the administrator may not read: ${someOf(content.unread)}`,
        ]),
    ...access.lacking.map((one) => `${output.paint("red", "✗")} not brought over: ${one}`),
  ];
  if (done.destroyed) return [...lines, "  the new cluster was destroyed, as asked"].join("\n");
  const password =
    urlFile === undefined
      ? "  its password: in the service's control panel (`--url-file FILE` writes it down)"
      : `  with its password: in ${urlFile}`;
  const until = `  it costs money; from ${formatTime(preview.until, timeZone)} on \`handled provider sweep\` removes it`;
  return [...lines, `  ${openUrl(cluster, inCluster) ?? ""}`, password, until].join("\n");
}

const MOST_NAMED = 5;

function someOf(names: readonly string[]): string {
  const more = names.length - MOST_NAMED;
  return `${names.slice(0, MOST_NAMED).join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}

export function providerListJson(listings: readonly ProviderListing[]): ProviderListJson {
  return {
    databases: listings.map(({ database, status, cluster, backups, windowFrom, made }) => ({
      database,
      statusPage: statusJson(status),
      cluster: {
        id: cluster.id,
        name: cluster.name,
        status: cluster.status,
        size: cluster.size,
        region: cluster.region,
        nodes: cluster.nodes,
      },
      backups: backups.map((one) => ({ createdAt: one.createdAt.toISOString(), bytes: one.bytes })),
      assumedWindowFrom: windowFrom.toISOString(),
      made: made.map(madeJson),
    })),
  };
}

function statusJson(page: StatusPage | null): ProviderListJson["databases"][number]["statusPage"] {
  if (page === null) return null;
  if ("problem" in page)
    return { indicator: null, description: null, incidents: [], components: [], problem: page.problem };
  const { indicator, description, incidents, components } = page.report;
  return {
    indicator,
    description,
    incidents: incidents.map(({ since, ...one }) => ({ ...one, since: since?.toISOString() ?? null })),
    components: [...components],
    problem: null,
  };
}

function madeJson({ id, name, status, lifetime }: ProviderCluster): ProviderSweepJson["kept"][number] {
  return { id, name, status, until: (lifetime?.until ?? new Date(0)).toISOString() };
}

export function renderProviderList(
  output: Output,
  listings: readonly ProviderListing[],
  now: Date,
  timeZone: string,
): string {
  return listings
    .map(({ database, status, cluster, backups, windowFrom, made }) => {
      const { name, size, region } = cluster;
      const title = `${output.paint("bold", database)}: ${name}, ${cluster.status}, ${size}, ${region}`;
      const said = status === null ? null : describeStatus(status);
      const rows = backups.map(({ createdAt, bytes }) => [
        formatTime(createdAt, timeZone),
        formatAge(createdAt, now),
        formatBytes(bytes),
      ]);
      const columns = [{ title: "TAKEN" }, { title: "AGE", right: true }, { title: "SIZE", right: true }];
      return [
        title,
        ...(said === null ? [] : [output.paint("red", said)]),
        rows.length === 0
          ? output.paint("red", "the service lists no backups")
          : renderTable(columns, rows, output.width),
        `any moment since ${formatTime(windowFrom, timeZone)}: assumed, the service does not tell`,
        ...made.map((one) => madeLine(one, timeZone)),
      ].join("\n");
    })
    .join("\n\n");
}

export function madeLine({ name, status, lifetime }: ProviderCluster, timeZone: string): string {
  const until = lifetime === null ? "" : `, may stay until ${formatTime(lifetime.until, timeZone)}`;
  const why = lifetime?.drill == null ? "by a restore" : "for a drill";
  return `made ${why}: ${name}, ${status}${until}`;
}

export function sweepJson(
  { removed, kept, used, orphans, elsewhere, failures }: Swept,
  dryRun: boolean,
): ProviderSweepJson {
  return {
    dryRun,
    removed: removed.map(madeJson),
    kept: kept.map(madeJson),
    used: used.map(madeJson),
    orphans: orphans.map(madeJson),
    elsewhere: elsewhere.map(({ cluster, from }) => ({ ...madeJson(cluster), from })),
    failed: failures.map(({ cluster, error }) => `${cluster.name}: ${error.message}`),
  };
}

export function renderSwept(
  output: Output,
  { removed, kept, used, orphans, elsewhere, failures }: Swept,
  { database, dryRun }: { readonly database: string; readonly dryRun: boolean },
): string {
  const names = (clusters: readonly ProviderCluster[]): string => clusters.map(({ name }) => name).join(", ");
  return [
    removed.length === 0
      ? "nothing to remove"
      : `${output.paint("green", "✓")} ${dryRun ? "would remove" : "removed"} ${names(removed)}`,
    ...used.map(
      ({ name }) =>
        `kept: a database of the strategy is in ${name}, or its application works on it; name it as \`cluster\` of the provider, and take the tag \`handled\` off it`,
    ),
    ...orphans.map(
      ({ name, lifetime }) =>
        `kept: what ${name} was made from is gone (${lifetime?.source ?? "?"}), and it may be all that is left of it; once you are sure, destroy it in the service's control panel`,
    ),
    ...elsewhere.map(
      ({ cluster: { name }, from }) =>
        `kept: ${name} was made from ${from}, which is not the cluster of ${database}; it costs money: where nobody works on it, destroy it in the service's control panel`,
    ),
    ...(kept.length === 0 ? [] : [`within their lifetime: ${names(kept)}`]),
    ...failures.map(({ cluster, error }) => `${output.paint("red", "✗")} ${cluster.name}: ${error.message}`),
  ].join("\n");
}
