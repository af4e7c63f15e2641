import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { type Command, Option } from "commander";
import { AppError, DEGRADED_EXIT } from "../../errors.ts";
import { writeDurable } from "../../lib/durable.ts";
import { gatherKit } from "../../operations/kit.ts";
import { describeConnection } from "../../postgres/connection.ts";
import { packagedFile } from "../../lib/program.ts";
import type { Cli } from "../cli.ts";
import { kitCredentials, type KitPlace } from "../kit-credentials.ts";
import { fileArgument, placeOptions } from "../options.ts";
import { kitJson, kitPage } from "../render/kit/kit-page.ts";
import { pageHtml } from "../render/kit/html.ts";
import { pageText } from "../render/kit/text.ts";
import { resolveAllTargets } from "../repositories.ts";
import type { PlaceOptions, Target } from "../targets.ts";

interface Options extends PlaceOptions {
  readonly format?: "html" | "text";
  readonly file?: string;
  readonly withSecrets?: true;
}

export function addKit(program: Command, cli: () => Cli): void {
  placeOptions(program.command("kit"))
    .summary("print what is needed when every machine is gone")
    .description(
      "Prints one page: whom to call, where the backups are, which credentials and key open them, the one line that restores each database on a machine that has nothing, and the way without this program. Of credentials only the names, unless asked. Exit code 3 when a repository could not be read: then it says so on the page.",
    )
    .argument("[database...]", "names from the strategy; all when none is given")
    .addOption(
      new Option("--format <format>", "default: html for a file that ends in .html, else text").choices([
        "html",
        "text",
      ]),
    )
    .option("--file <path>", "write it there, readable for you alone", fileArgument)
    .option("--with-secrets", "also print the credentials themselves, never an identity; needs --file")
    .action(async (names: string[], options: Options) => {
      await runKit(cli(), names, options);
    });
}

async function runKit(cli: Cli, names: readonly string[], options: Options): Promise<void> {
  const { file, withSecrets = false } = options;
  if (withSecrets && file === undefined) {
    throw new AppError("usage", "`--with-secrets` needs `--file`", {
      hint: "what is shown in a terminal stays in its history, and in logs",
    });
  }
  const targets = await resolveAllTargets(cli, names, options);
  const requests = targets.flatMap((target) => {
    const places = target.places().map((place) => ({
      database: target.name,
      storage: place.storage(),
      name: options.repository === undefined && target.entry !== null ? place.name : null,
    }));
    return [...new Map(places.map((one) => [one.storage.place, one])).values()];
  });
  const found = await gatherKit(cli.runtime, requests, cli.signal);
  const strategy = targets[0]?.strategy ?? null;
  const places = new Map<string, KitPlace>();
  for (const { storage, name } of requests) places.set(storage.place, { place: storage.place, name });
  const credentials = kitCredentials(cli, strategy, [...places.values()], withSecrets);
  const page = kitPage({
    facts: found,
    timeZone: targets[0]?.timeZone ?? "UTC",
    contacts: strategy?.contacts ?? [],
    servers: await serversOf(targets),
    credentials,
    withSecrets,
    strategy: strategy?.path ?? null,
    document: await readFile(packagedFile("docs/recover-without-handled.md"), "utf8"),
  });
  if (cli.output.options.json) cli.output.json(kitJson(found, file ?? null, credentials));
  const format = options.format ?? (file?.endsWith(".html") === true ? "html" : "text");
  const text = format === "html" ? pageHtml(page) : pageText(page);
  if (file === undefined) {
    if (!cli.output.options.json) cli.output.text(text.trimEnd());
  } else {
    const path = resolve(cli.cwd, file);
    // Secrets that were asked for are in it, so it does not pass the redaction.
    await writeDurable(path, withSecrets ? text : cli.runtime.secrets.redact(text));
    cli.output.note(`wrote ${path}: print it, and keep it away from the machines it is about`);
  }
  if (found.databases.some(({ fault }) => fault !== null)) cli.exitWith(DEGRADED_EXIT);
}

/** Where each database's server is; one that cannot be told is left out, for it is the one that is lost. */
async function serversOf(targets: readonly Target[]): Promise<Map<string, string>> {
  const servers = new Map<string, string>();
  for (const target of targets) {
    try {
      servers.set(target.name, describeConnection(await target.connection()));
    } catch (error) {
      if (!(error instanceof AppError) || error.code === "interrupted") throw error;
    }
  }
  return servers;
}
