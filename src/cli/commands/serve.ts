import { type Command, InvalidArgumentError, Option } from "commander";
import { stat } from "node:fs/promises";
import { loadStrategy } from "../../config/load.ts";
import { DEFAULT_HTTP, type HttpAddress } from "../../config/http-address.ts";
import { findDatabase, type Strategy } from "../../config/strategy.ts";
import { Daemon, type DaemonEvent, type DaemonWorld } from "../../daemon/daemon.ts";
import { readPast } from "../../daemon/job-past.ts";
import { isJobRunning } from "../../daemon/job-process.ts";
import { watchChanges } from "../../daemon/watch-changes.ts";
import { AppError, errorCode, inOperation, isAppError } from "../../errors.ts";
import { type Finding, finding, isHealthy } from "../../health/finding.ts";
import { requireStrategyPath } from "../strategy-file.ts";
import type { Cli } from "../cli.ts";
import { DaemonLooks } from "../daemon-looks.ts";
import { healthOf } from "../health-of.ts";
import type { Jobs } from "../../jobs/jobs.ts";
import { lastChange } from "../../operations/changes-here.ts";
import { openJobs } from "../jobs-world.ts";
import { openStrategyPlace } from "../open-place.ts";
import { outagesOf } from "../outages.ts";
import { notifyOfHealth } from "../notify-of-health.ts";
import { eventJson, renderEvent } from "../render/serve.ts";
import { RunbookKeeper } from "../runbook-keeper.ts";
import { ServeApi, type ServeNames } from "../serve-api.ts";
import { ServeHttp } from "../serve-http.ts";
import type { Storage } from "../../storage/storage.ts";
import { storagesOf, strategyTarget } from "../targets.ts";

interface ServeOptions {
  readonly host?: string;
  readonly port?: number;
  readonly http: boolean;
}

/** Where the options, or else the strategy, want it to listen. */
function addressOf({ host, port, http }: ServeOptions, { daemon }: Strategy): HttpAddress | undefined {
  if (!http) return undefined;
  const given = host !== undefined || port !== undefined;
  if (daemon.http === false && !given) return undefined;
  const otherwise = daemon.http === false ? DEFAULT_HTTP : daemon.http;
  return { host: host ?? otherwise.host, port: port ?? otherwise.port };
}

function portNumber(value: string): number {
  const port = Number(value);
  if (/^\d{1,5}$/.test(value) && port <= 65_535) return port;
  throw new InvalidArgumentError("Write a whole number from 0 to 65535.");
}

export function addServe(program: Command, cli: () => Cli): void {
  program
    .command("serve")
    .summary("run everything that is scheduled, for ever")
    .description(
      "Runs the backups, verifications, prunings and copies of the strategy at their times, until it is stopped. What was missed while " +
        "the machine was off is made up once; what fails is tried again. It reads the strategy again when the file changes, or on SIGHUP. " +
        "SIGTERM ends it, and what it runs, cleanly. All it knows is in the repositories. It shows the dashboard, and answers " +
        "programs at /api (docs/api.md), for those who may sign in; the first start prints a link to make the first user. Prometheus finds its metrics at " +
        "/metrics (docs/metrics.md), and /healthz says whether it does its work.",
    )
    .option(
      "--host <host>",
      "address to listen on, instead of the strategy's; passwords are sent to it, so take none but this machine's own without https in front of it",
    )
    .addOption(
      new Option(
        "--port <n>",
        "port to listen on, instead of the strategy's; 0 takes one that is free",
      ).argParser(portNumber),
    )
    .option("--no-http", "do not listen at all, whatever the strategy says")
    .action(async (options: ServeOptions) => {
      await runServe(cli(), options);
    });
}

async function runServe(cli: Cli, options: ServeOptions): Promise<void> {
  const path = await requireStrategyPath(cli);
  let timeZone = "UTC";
  const show = (event: DaemonEvent): void => {
    const now = cli.runtime.clock.now();
    if (cli.output.options.json) cli.output.json(eventJson(event, now));
    else cli.output.text(renderEvent(cli.output, event, now, timeZone));
  };
  let daemon: Daemon | undefined;
  let places: readonly Storage[] = [];
  let names: ServeNames = { url: undefined, oidc: undefined };
  const looks = new DaemonLooks(cli.runtime.clock);
  await using jobs = await openJobs(
    cli,
    path,
    () => looks.changed(),
    () => daemon?.look(),
  );
  await using api = await openApi(() => ServeApi.open(cli, path, jobs, looks, () => names, show), show);
  const hear = (event: DaemonEvent): void => {
    show(event);
    if (event.kind === "listening") api?.inviteFirst(event.url);
  };
  await using served = new ServeHttp(cli.runtime.clock, hear, api);
  const tell = (event: DaemonEvent): void => {
    served.count(event);
    show(event);
  };
  const listen = async (strategy: Strategy): Promise<boolean> => {
    ({ timeZone } = strategy);
    names = strategy.daemon;
    places = openable(cli, strategy);
    const address = addressOf(options, strategy);
    await served.listen(address);
    return address !== undefined;
  };
  daemon = new Daemon(
    worldOf(
      cli,
      path,
      tell,
      { served, looks },
      listen,
      jobs,
      async (strategy, stop) => await api?.keepSystem(strategy, stop),
    ),
  );
  await using _watched = watchChanges({
    clock: cli.runtime.clock,
    last: async () => await lastChange(cli.runtime, places),
    isNews: (at) => looks.isNews(at),
    look: () => {
      looks.changed();
      daemon.look();
    },
  });
  cli.onHangup(() => daemon.reload());
  await daemon.run(cli.signal);
  // Being stopped is how this command ends.
  cli.exitWith(0);
}

/** What is wrong with a place, each look at it says. */
function openable(cli: Cli, strategy: Strategy): Storage[] {
  return strategy.repositories.flatMap(({ name }) => {
    try {
      return openStrategyPlace(cli, strategy, name, {});
    } catch (error) {
      if (!isAppError(error)) throw error;
      return [];
    }
  });
}

/** That nobody can sign in keeps no backup from its time. */
async function openApi(
  open: () => Promise<ServeApi>,
  tell: (event: DaemonEvent) => void,
): Promise<ServeApi | undefined> {
  try {
    return await open();
  } catch (error) {
    tell({ kind: "not answered", error: inOperation("serve the dashboard and the API", error) });
    return undefined;
  }
}

function brokenStrategy({ message, hint }: AppError): Finding {
  const said = {
    message: `the strategy stays as it was: ${message}`,
    hint: hint ?? "`handled config check` says what is wrong",
  };
  return finding("strategy-broken", { database: null, criticality: null }, said);
}

function worldOf(
  cli: Cli,
  path: string,
  tell: DaemonWorld["tell"],
  { served, looks }: { readonly served: ServeHttp; readonly looks: DaemonLooks },
  listen: (strategy: Strategy) => Promise<boolean>,
  jobs: Jobs,
  keepSystem: (strategy: Strategy, stop: AbortSignal) => Promise<void>,
): DaemonWorld {
  const { runtime, signal } = cli;
  const runbook = new RunbookKeeper();
  return {
    clock: runtime.clock,
    isTaken: (database) => jobs.busyWith(database) !== undefined,
    version: async () => {
      try {
        const { mtime, mtimeMs, size, ino } = await stat(path);
        return { stamp: `${mtimeMs} ${size} ${ino}`, changedAt: mtime };
      } catch (error) {
        // Whatever keeps it from being looked at, reading it says what.
        if (errorCode(error) !== undefined) return undefined;
        throw error;
      }
    },
    load: async () => {
      const strategy = await loadStrategy(runtime, path, signal);
      // Other databases, or in other places.
      looks.changed();
      await listen(strategy);
      return strategy;
    },
    past: async (strategy, job) => {
      const target = strategyTarget(cli, strategy, findDatabase(strategy, job.database), {});
      // Before: what ends meanwhile has left its record.
      const isRunning = await isJobRunning(strategy.path, job);
      const past = await readPast(runtime, job, storagesOf(target), signal);
      if (!isRunning) return past;
      return [{ startedAt: runtime.clock.now(), finishedAt: null, outcome: null }, ...past];
    },
    run: async (strategy, job, onLine, stop) => await jobs.runScheduled(strategy.path, job, onLine, stop),
    alert: async (strategy, { broken, seen }, stop) => {
      using look = looks.begin();
      // Whoever had the port may be gone.
      const isListening = await listen(strategy);
      await keepSystem(strategy, stop);
      const isKept = strategy.runbookFiles.length > 0;
      if (strategy.notify === undefined && !isListening && !isKept) return undefined;
      const at = runtime.clock.now();
      const started = runtime.clock.monotonic();
      const own = { ...cli, signal: stop };
      const targets = strategy.databases.map((entry) => strategyTarget(own, strategy, entry, {}));
      // This very process runs what is scheduled.
      const health = await healthOf(own, targets, { isInstalled: () => true, connect: true, seen });
      const kept = await runbook.keep(own, strategy, { targets, health, printedAt: at });
      const also = [...(broken === undefined ? [] : [brokenStrategy(broken)]), ...kept.findings];
      const all = {
        ...health,
        healthy: health.healthy && isHealthy(also),
        findings: [...health.findings, ...also],
      };
      look.found(all);
      await served.show(all, { at, tookMs: runtime.clock.monotonic() - started });
      if (strategy.notify === undefined) return undefined;
      const { sent, failures } = await notifyOfHealth(own, targets, all, kept.substance);
      return { sent: sent.length, failures: failures.map(({ error }) => error) };
    },
    outages: async (strategy, stop) => await outagesOf(cli, strategy, stop),
    tell,
  };
}
