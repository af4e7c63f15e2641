import type { Command } from "commander";
import { AppError } from "../../errors.ts";
import { showBackup } from "../../operations/show.ts";
import type { Cli } from "../cli.ts";
import { asOfOption, placeOptions } from "../options.ts";
import { renderShow, showJson } from "../render/show.ts";
import { resolvePlaces } from "../repositories.ts";
import { isProviderBackupId } from "../../providers/backup-id.ts";
import { runShowProvider } from "./show-provider.ts";
import type { PlaceOptions } from "../targets.ts";
import { verdictOn } from "../verdict-on.ts";

export function addShow(program: Command, cli: () => Cli): void {
  placeOptions(program.command("show"))
    .summary("show everything about one backup")
    .description(
      "Shows times, versions, sizes, tables and extensions of one backup, and what retention says of it. Needs only the repository.",
    )
    .usage("[options] [database] <backup>")
    .argument(
      "<backup...>",
      "an id, the name of an archive, `latest`, or `provider:TIME` for a managed service's own; the database may come before it",
    )
    .addOption(asOfOption())
    .action(async (words: string[], options: PlaceOptions) => {
      await runShow(cli(), words, options);
    });
}

async function runShow(cli: Cli, words: readonly string[], options: PlaceOptions): Promise<void> {
  if (words.length > 2) {
    throw new AppError("usage", `show: more than a database and a backup is named: ${words.join(", ")}`, {
      hint: "`handled show DATABASE BACKUP` shows one backup",
    });
  }
  const database = words.length === 2 ? words[0] : undefined;
  const backup = words.at(-1) ?? "latest";
  if (isProviderBackupId(backup)) {
    await runShowProvider(cli, database, backup, options);
    return;
  }
  const places = await resolvePlaces(cli, options);
  const { storages } = places;
  const request = { storages, database, backup, operation: "show" } as const;
  const details = await showBackup(cli.runtime, request, cli.signal);
  const verdict = await verdictOn(cli, places, details);
  cli.output.result(showJson(details, verdict), () =>
    renderShow(cli.output, details, verdict, cli.runtime.clock.now(), places.timeZone),
  );
}
