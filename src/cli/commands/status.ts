import type { Command } from "commander";
import { ERRORS } from "../../errors.ts";
import type { Health } from "../../health/health.ts";
import { counted } from "../../lib/text.ts";
import type { Cli } from "../cli.ts";
import { healthOf, installedIn } from "../health-of.ts";
import { metricsTarget, writeMetrics } from "../metrics-file.ts";
import { notifyOfHealth } from "../notify-of-health.ts";
import { placeOptions } from "../options.ts";
import { renderStatus, statusJson } from "../render/status.ts";
import { resolveAllTargets } from "../repositories.ts";
import type { PlaceOptions, Target } from "../targets.ts";

interface StatusOptions extends PlaceOptions {
  readonly connect?: true;
  readonly notify?: true;
  readonly metrics?: string;
}

export function addStatus(program: Command, cli: () => Cli): void {
  placeOptions(program.command("status"))
    .summary("are the objectives met?")
    .description(
      "Shows for each database how much data is at risk now, also if only what is proven counts, how long a restore took and would take, and when the next backup is due, if a schedule is installed on this machine; where the strategy has several backups of a database, each has a line. Below stands everything that is wrong, by how bad it is, and what to do about it (docs/health.md). A backup of other schemas than the strategy's does not count for the RPO. Exit code 4 when anything worse than a notice is found, 1 with `--notify` when nothing is and a message did not arrive.",
    )
    .option(
      "--connect",
      "connect to each database, too: is the server there, are the clients new enough, do the clocks agree?",
    )
    .argument("[database...]", "names from the strategy; all when none is given")
    .option(
      "--notify",
      "tell the strategy's channels what is new, worse, still open or over since they were told last: for cron, every hour or so; with --quiet there is no table while nothing is wrong",
    )
    .option(
      "--metrics <file>",
      "write the figures as Prometheus metrics, too: to a name ending in .prom in the folder of node_exporter's textfile collector, or instead of the table with - (docs/metrics.md)",
    )
    .action(async (names: string[], options: StatusOptions) => {
      await runStatus(cli(), names, options);
    });
}

async function runStatus(cli: Cli, names: readonly string[], options: StatusOptions): Promise<void> {
  const { clock } = cli.runtime;
  const metrics = options.metrics === undefined ? undefined : await metricsTarget(cli, options.metrics);
  const at = clock.now();
  const started = clock.monotonic();
  const targets = await resolveAllTargets(cli, names, options);
  const isInstalled = await installedIn(cli, targets);
  const health = await healthOf(cli, targets, { isInstalled, connect: options.connect === true });
  const timeZone = targets[0]?.timeZone ?? "UTC";
  const tookMs = clock.monotonic() - started;
  // A schedule's log is not to grow for ever by what is as it should be.
  const isSilent = options.notify === true && cli.output.options.quiet && health.healthy;
  if (metrics?.kind !== "stdout" && (cli.output.options.json || !isSilent))
    cli.output.result(statusJson(health), () => renderStatus(cli.output, health, clock.now(), timeZone));
  if (!health.healthy) cli.exitWith(ERRORS.unhealthy.exit);
  if (options.notify === true) await tell(cli, targets, health);
  // Last: that this fails keeps nothing from being told.
  if (metrics !== undefined) await writeMetrics(cli, metrics, health, { at, tookMs });
}

async function tell(cli: Cli, targets: readonly Target[], health: Health): Promise<void> {
  const { sent, failures } = await notifyOfHealth(cli, targets, health);
  for (const { error } of failures) {
    cli.output.warn(error.message);
    if (error.hint !== undefined) cli.output.note(`hint: ${error.hint}`);
  }
  if (sent.length > 0) cli.output.note(`${counted(sent.length, "message")} sent`);
  if (failures.length > 0 && health.healthy) cli.exitWith(ERRORS.unexpected.exit);
}
