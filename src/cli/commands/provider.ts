import { type Command, Option } from "commander";
import { AppError, DEGRADED_EXIT, isAppError } from "../../errors.ts";
import type { ManagedBy } from "../../config/provider.ts";
import { assumedWindowFrom } from "../../health/provider-view.ts";
import { describeStatus } from "../../providers/describe-status.ts";
import { readStatusPage, type StatusPage } from "../../providers/status-page.ts";
import { sweepProvider } from "../../operations/provider/sweep.ts";
import { addressesInUse } from "../addresses-in-use.ts";
import type { Cli } from "../cli.ts";
import { confirmByName } from "../confirm.ts";
import { providerOf } from "../provider-of.ts";
import {
  madeLine,
  providerListJson,
  type ProviderListing,
  renderProviderList,
  renderSwept,
  sweepJson,
} from "../render/provider.ts";
import { requireStrategy } from "../strategy-file.ts";
import { resolveTarget, strategyTarget, type Target } from "../targets.ts";

interface SweepOptions {
  readonly all?: true;
  readonly cluster?: string;
  readonly yes?: true;
  readonly dryRun?: true;
}

export function addProvider(program: Command, cli: () => Cli): void {
  const provider = program.command("provider").summary("look at a managed service, and tidy up in it");
  provider
    .command("list")
    .summary("show clusters, the service's backups, and what restores made there")
    .description(
      "Shows for each database that a managed service runs its cluster, the service's own backups, and the clusters that `handled restore --provider` made and that are still there. Says also what the service's public status page tells of an outage.",
    )
    .argument("[database]", "one database; all that have a `provider` when left out")
    .action(async (name: string | undefined) => {
      await runList(cli(), name);
    });
  provider
    .command("sweep")
    .summary("remove what restores left behind in a managed service")
    .description(
      "Removes the clusters that `handled restore --provider` made from this database's cluster and that are over their lifetime. They are known by their tags; nothing else is ever removed. Exit code 3 when something could not be.",
    )
    .argument("<database>", "name from the strategy")
    .addOption(new Option("--all", "also what is within its lifetime").conflicts("cluster"))
    .option("--cluster <name>", "only this one, also within its lifetime")
    .option("--yes", "do not ask")
    .option("--dry-run", "only say what would be removed")
    .action(async (name: string, options: SweepOptions) => {
      await runSweep(cli(), name, options);
    });
}

async function runList(cli: Cli, name: string | undefined): Promise<void> {
  const targets = name === undefined ? await managedTargets(cli) : [await resolveTarget(cli, name, {})];
  const listings: ProviderListing[] = [];
  const now = cli.runtime.clock.now();
  const pages = new Map<string, StatusPage>();
  for (const target of targets) {
    const { provider, managed } = providerOf(cli, target);
    const status = await statusOf(managed, pages, cli.signal);
    try {
      const cluster = await provider.find(managed.cluster, cli.signal);
      const backups = await provider.backups(cluster, cli.signal);
      const all = await provider.clusters(cli.signal);
      const made = all.filter(({ lifetime }) => lifetime?.source === cluster.id);
      const windowFrom = assumedWindowFrom(backups, { windowMs: managed.windowMs, now });
      listings.push({ database: target.name, status, cluster, backups, windowFrom, made });
    } catch (error) {
      const said = status === null ? null : describeStatus(status);
      if (said !== null && isAppError(error, "provider_unreachable")) cli.runtime.reporter.warn(said);
      throw error;
    }
  }
  const timeZone = targets[0]?.timeZone ?? "UTC";
  cli.output.result(providerListJson(listings), () =>
    renderProviderList(cli.output, listings, now, timeZone),
  );
}

/** What the service tells the public; null where no page is known. Several databases share one. */
async function statusOf(
  { statusPage }: ManagedBy,
  pages: Map<string, StatusPage>,
  signal: AbortSignal,
): Promise<StatusPage | null> {
  if (statusPage === undefined) return null;
  const page = pages.get(statusPage) ?? (await readStatusPage(statusPage, signal));
  pages.set(statusPage, page);
  return page;
}

async function managedTargets(cli: Cli): Promise<Target[]> {
  const strategy = await requireStrategy(cli);
  const managed = strategy.databases.filter(({ provider }) => provider !== undefined);
  if (managed.length > 0) return managed.map((entry) => strategyTarget(cli, strategy, entry, {}));
  throw new AppError("usage", `find a managed service: no database of ${strategy.path} has a \`provider\``);
}

async function runSweep(cli: Cli, name: string, options: SweepOptions): Promise<void> {
  const target = await resolveTarget(cli, name, {});
  const { provider, managed } = providerOf(cli, target);
  const dryRun = options.dryRun === true;
  const swept = await sweepProvider(
    cli.runtime,
    {
      provider,
      cluster: managed.cluster,
      inUse: await addressesInUse(cli, "sweep", cli.signal),
      which:
        options.cluster === undefined ? (options.all === true ? "all" : "over") : { name: options.cluster },
      dryRun,
      confirm: async (clusters) => {
        for (const one of clusters) cli.output.note(madeLine(one, target.timeZone));
        await confirmByName(
          cli,
          `destroy what was made from ${managed.cluster}`,
          managed.cluster,
          options.yes === true,
        );
      },
    },
    cli.signal,
  );
  cli.output.result(sweepJson(swept, dryRun), () =>
    renderSwept(cli.output, swept, { database: target.name, dryRun }),
  );
  if (swept.failures.length > 0) cli.exitWith(DEGRADED_EXIT);
}
