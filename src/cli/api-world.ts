import type { FindingsJson, OverviewJson } from "../api/contract/answers.ts";
import type { ApiWorld } from "../api/world.ts";
import { channelStates } from "../notify/channel-states.ts";
import { isProviderBackupId } from "../providers/backup-id.ts";
import { repositoryUsage } from "../operations/repository/usage.ts";
import { isOfPlace } from "../operations/places.ts";
import { showBackup } from "../operations/show.ts";
import { openRepository } from "../repository/repository.ts";
import { checklistOf } from "./checklist-of.ts";
import type { Cli } from "./cli.ts";
import { findProviderBackup } from "./commands/show-provider.ts";
import type { DaemonLooks, HeldListing } from "./daemon-looks.ts";
import { daysOf, HeldDays } from "./days-of.ts";
import { diffOf } from "./diff-of.ts";
import { drillsOf } from "./drills-of.ts";
import { healthOf } from "./health-of.ts";
import type { StatusJson } from "../json/status.ts";
import { AppError } from "../errors.ts";
import { scenariosOf } from "./scenarios-of.ts";
import { seriesOf } from "./series-of.ts";
import { listingsOf } from "./listings-of.ts";
import { Output } from "./output.ts";
import { checklistJson } from "./render/checklist.ts";
import { providerShowJson } from "./render/provider-backup.ts";
import { listJson } from "./render/list.ts";
import { pageHtml } from "./render/page/html.ts";
import { pageMarkdown } from "./render/page/markdown.ts";
import { showJson } from "./render/show.ts";
import { statusJson } from "./render/status.ts";
import { usageJson } from "./render/usage.ts";
import { resolveAllTargets, resolvePlaces } from "./repositories.ts";
import { repositoryPlaces, tryPlaces } from "./repository-places.ts";
import { pageOfBackups } from "./page-of-backups.ts";
import { runsOf } from "./runs-of.ts";
import { runbookOf } from "./runbook-of.ts";
import { strategyText } from "./strategy-text.ts";
import { requireStrategy } from "./strategy-file.ts";
import { placesOf, resolveTarget, strategyTarget, type Target } from "./targets.ts";
import { verdictOn } from "./verdict-on.ts";

/** What the commands find, for the API of `handled serve`. */
export function apiWorld(serving: Cli, looks: DaemonLooks): ApiWorld {
  const status = async (signal: AbortSignal): Promise<StatusJson> => {
    const cli = quiet(serving, signal);
    const strategy = await requireStrategy(cli);
    const targets = strategy.databases.map((entry) => strategyTarget(cli, strategy, entry, {}));
    // This very process runs what is scheduled.
    return statusJson(await healthOf(cli, targets, { isInstalled: () => true, connect: false }));
  };
  // Where the first look came to nothing; many may ask at the same moment.
  let looking: Promise<OverviewJson> | undefined;
  const lookOnce = async (): Promise<OverviewJson> => {
    const at = serving.runtime.clock.now().toISOString();
    try {
      return { ...(await status(serving.signal)), at };
    } finally {
      looking = undefined;
    }
  };
  const days = new HeldDays(
    async (which) => await daysOf(quiet(serving, serving.signal), which),
    () => looks.overview,
  );
  const list = async (name: string, signal: AbortSignal): Promise<HeldListing> => {
    const cli = quiet(serving, signal);
    // What the strategy does not name is not shown.
    const target = await resolveTarget(cli, name, {});
    const held = looks.listing(target.name);
    if (held !== undefined && (await isAnyThere(cli, target))) return held;
    return await looks.list(target.name, async () => {
      const { listings } = await listingsOf(quiet(serving, serving.signal), target.name, {});
      const [listed] = listings;
      if (listed === undefined) throw new AppError("unexpected", `list ${name}: there is no answer`);
      return listed;
    });
  };
  return {
    status,
    overview: async () =>
      olderBy(
        looks.overview ?? (await looks.first()) ?? (await (looking ??= lookOnce())),
        serving.runtime.clock.now(),
      ),
    findings: async (signal) => findingsOf(await status(signal)),
    days: async (which) => await days.get(which),
    backups: async (database, which, signal) => {
      const { listed, next } = pageOfBackups(await list(database, signal), which);
      return { ...listJson([listed]), next };
    },
    series: async (name, days, signal) =>
      seriesOf(await list(name, signal), serving.runtime.clock.now(), days),
    backup: async (name, backup, signal) => {
      const cli = quiet(serving, signal);
      // Only what the strategy names: a repository may be shared with others.
      const target = await resolveTarget(cli, name, {});
      if (isProviderBackupId(backup)) return providerShowJson(await findProviderBackup(cli, target, backup));
      const storages = target.places().map((place) => () => place.storage());
      const places = await resolvePlaces(cli, {});
      const request = { storages, database: target.name, backup, operation: "show" } as const;
      const details = await showBackup(cli.runtime, request, signal);
      return showJson(details, await verdictOn(cli, places, details));
    },
    diff: async (name, which, signal) => await diffOf(quiet(serving, signal), name, which),
    runs: async (which, signal) => await runsOf(quiet(serving, signal), which),
    checklist: async (signal) => {
      const cli = quiet(serving, signal);
      return checklistJson(await checklistOf(cli, await requireStrategy(cli)));
    },
    runbook: async (format, signal) => {
      const cli = quiet(serving, signal);
      const page = await runbookOf(cli, await requireStrategy(cli), cli.runtime.clock.now());
      return cli.runtime.secrets.redact(format === "html" ? pageHtml(page) : pageMarkdown(page));
    },
    channels: async (signal) => {
      const cli = quiet(serving, signal);
      const { notify, path, databases } = await requireStrategy(cli);
      if (notify === undefined) return { channels: [] };
      const names = databases.map(({ name }) => name);
      return { channels: await channelStates(cli.runtime, path, notify, names, cli.signal) };
    },
    strategy: async (signal) => await strategyText(quiet(serving, signal)),
    repositories: async (signal) => {
      const cli = quiet(serving, signal);
      const { results, failures } = await tryPlaces(
        cli,
        await repositoryPlaces(cli, [], {}),
        async ({ storage, names }) => await repositoryUsage(cli.runtime, storage, names, cli.signal),
      );
      const [first] = failures;
      if (first !== undefined && results.length === 0) throw first;
      return { ...usageJson(results), unread: failures.map(({ message }) => message) };
    },
    recoveries: async ({ database, last }, signal) => {
      const cli = quiet(serving, signal);
      const databases = [];
      for (const target of await resolveAllTargets(cli, database === undefined ? [] : [database], {}))
        databases.push((await drillsOf(cli, target, last)).json);
      return { databases };
    },
    scenarios: async (signal) => {
      const cli = quiet(serving, signal);
      return await scenariosOf(cli, await requireStrategy(cli));
    },
  };
}

/** Whether the places where something was found are still there, or one of them. */
async function isAnyThere({ runtime, signal }: Cli, target: Target): Promise<boolean> {
  for (const { storage } of placesOf(target, undefined)) {
    try {
      await openRepository(runtime, storage, signal);
      return true;
    } catch (error) {
      if (!isOfPlace(error, signal)) throw error;
    }
  }
  return false;
}

const SILENT = { write: () => undefined };

/** For one request: it asks nobody and prints nothing, and ends with the request as with the command. */
function quiet(serving: Cli, request: AbortSignal): Cli {
  const { runtime } = serving;
  const output = new Output(
    { stdout: SILENT, stderr: SILENT },
    { json: false, quiet: true, verbose: false, color: false },
    runtime.secrets,
    () => runtime.clock.monotonic(),
  );
  return {
    ...serving,
    output,
    runtime: { ...runtime, reporter: output },
    input: undefined,
    piped: undefined,
    signal: AbortSignal.any([serving.signal, request]),
    exitWith: () => undefined,
  };
}

function findingsOf({ healthy, problems, notices, databases }: StatusJson): FindingsJson {
  const own = [...problems, ...notices].map((found) => ({ ...found, database: null }));
  const theirs = databases.flatMap(({ database, ...of }) =>
    [...of.problems, ...of.notices].map((found) => ({ ...found, database })),
  );
  return { healthy, findings: [...own, ...theirs] };
}

/** What was found a while ago, with the data that has come to be at risk since. */
function olderBy(found: OverviewJson, now: Date): OverviewJson {
  const since = Math.max(0, now.getTime() - Date.parse(found.at));
  const later = (risk: number | null): number | null => (risk === null ? null : risk + since);
  const databases = found.databases.map((database) => ({
    ...database,
    dataAtRiskMs: later(database.dataAtRiskMs),
    provenAtRiskMs: later(database.provenAtRiskMs),
  }));
  return { ...found, databases };
}
