import type { Command } from "commander";
import type { Cli } from "../cli.ts";
import { listingsOf } from "../listings-of.ts";
import { listJson, renderListings } from "../render/list.ts";
import { asOfOption, placeOptions } from "../options.ts";
import type { PlaceOptions } from "../targets.ts";

export function addList(program: Command, cli: () => Cli): void {
  placeOptions(program.command("list"))
    .summary("show the backups that a repository holds")
    .description(
      "Shows every backup of one database or of all, newest first. Needs only the repository. Archives that other tools put there are shown as foreign. Where a managed service runs the database, its own backups follow; that it cannot be asked is a warning.",
    )
    .argument("[database]", "one database; all when left out")
    .addOption(asOfOption())
    .action(async (name: string | undefined, options: PlaceOptions) => {
      await runList(cli(), name, options);
    });
}

async function runList(cli: Cli, name: string | undefined, options: PlaceOptions): Promise<void> {
  const { listings, timeZone } = await listingsOf(cli, name, options);
  cli.output.result(listJson(listings), () =>
    renderListings(cli.output, listings, cli.runtime.clock.now(), timeZone),
  );
}
