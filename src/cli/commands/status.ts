import type { Command } from "commander";
import { ERRORS } from "../../errors.ts";
import { counted } from "../../lib/text.ts";
import type { Cli } from "../cli.ts";
import { healthOf, installedIn } from "../health-of.ts";
import { notifyOfHealth } from "../notify-of-health.ts";
import { placeOptions } from "../options.ts";
import { renderStatus, statusJson } from "../render/status.ts";
import { resolveAllTargets } from "../repositories.ts";
import type { PlaceOptions } from "../targets.ts";

interface StatusOptions extends PlaceOptions {
  readonly connect?: true;
  readonly notify?: true;
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
      "tell the strategy's channels what is new, worse, still open or over since they were told last: for cron, every hour or so",
    )
    .action(async (names: string[], options: StatusOptions) => {
      await runStatus(cli(), names, options);
    });
}

async function runStatus(cli: Cli, names: readonly string[], options: StatusOptions): Promise<void> {
  const targets = await resolveAllTargets(cli, names, options);
  const isInstalled = await installedIn(cli, targets);
  const health = await healthOf(cli, targets, { isInstalled, connect: options.connect === true });
  const timeZone = targets[0]?.timeZone ?? "UTC";
  cli.output.result(statusJson(health), () =>
    renderStatus(cli.output, health, cli.runtime.clock.now(), timeZone),
  );
  if (!health.healthy) cli.exitWith(ERRORS.unhealthy.exit);
  if (options.notify !== true) return;
  const { sent, failures } = await notifyOfHealth(cli, targets, health);
  for (const { error } of failures) {
    cli.output.warn(error.message);
    if (error.hint !== undefined) cli.output.note(`hint: ${error.hint}`);
  }
  if (sent.length > 0) cli.output.note(`${counted(sent.length, "message")} sent`);
  if (failures.length > 0 && health.healthy) cli.exitWith(ERRORS.unexpected.exit);
}
