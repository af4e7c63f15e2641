import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { type Command, Option } from "commander";
import { AppError, DEGRADED_EXIT } from "../../errors.ts";
import { requireWritable, writeDurable } from "../../lib/durable.ts";
import { gatherKit } from "../../operations/kit.ts";
import { packagedFile } from "../../lib/program.ts";
import type { Cli } from "../cli.ts";
import { kitCredentials, type KitPlace } from "../kit-credentials.ts";
import { fileArgument, placeOptions } from "../options.ts";
import { kitJson, kitPage } from "../render/kit/kit-page.ts";
import { pageHtml } from "../render/page/html.ts";
import { pageText } from "../render/page/text.ts";
import { serversOf } from "../servers-of.ts";
import { resolveAllTargets } from "../repositories.ts";
import type { PlaceOptions } from "../targets.ts";

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
  const path = file === undefined ? null : resolve(cli.cwd, file);
  if (path !== null) await requireWritable(path, true);
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
  if (path === null) {
    if (!cli.output.options.json) cli.output.text(text.trimEnd());
  } else {
    // Secrets that were asked for are in it, so it does not pass the redaction.
    await writeDurable(path, withSecrets ? text : cli.runtime.secrets.redact(text));
    cli.output.note(`wrote ${path}: print it, and keep it away from the machines it is about`);
  }
  if (found.databases.some(({ fault }) => fault !== null)) cli.exitWith(DEGRADED_EXIT);
}
