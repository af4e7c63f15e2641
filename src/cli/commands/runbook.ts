import { hostname } from "node:os";
import { resolve } from "node:path";
import { type Command, Option } from "commander";
import { requireWritable, writeDurable } from "../../lib/durable.ts";
import { isAppError } from "../../errors.ts";
import { recoveriesOf } from "../../operations/recoveries.ts";
import { type Plan, SCENARIOS } from "../../recovery/plan.ts";
import type { RecordedRecovery } from "../../repository/recoveries.ts";
import { checklistOf } from "../checklist-of.ts";
import type { Cli } from "../cli.ts";
import { healthOf, installedIn } from "../health-of.ts";
import type { RunbookJson } from "../json/runbook.ts";
import { fileArgument } from "../options.ts";
import { planOf } from "../plans.ts";
import { productionGround } from "../production-ground.ts";
import { pageHtml } from "../render/page/html.ts";
import { pageMarkdown } from "../render/page/markdown.ts";
import { runbookPage } from "../render/runbook/runbook-page.ts";
import { resolveAllTargets } from "../repositories.ts";
import { serversOf } from "../servers-of.ts";
import { requireStrategy } from "../strategy-file.ts";
import { storagesOf, type Target } from "../targets.ts";

interface Options {
  readonly format?: "md" | "html";
  readonly file?: string;
}

export function addRunbook(program: Command, cli: () => Cli): void {
  program
    .command("runbook")
    .summary("write what to do when something is lost, as it stands now")
    .description(
      "Writes the strategy as one page from its state at this moment: whom to call, what could be recovered, the commands that bring each database back with the real names and ids, what to do in each disaster, what runs by itself, the checklist with its dates. It can be printed, and read without a network. No secret is on it.",
    )
    .addOption(
      new Option("--format <format>", "default: html for a file that ends in .html, else md").choices([
        "md",
        "html",
      ]),
    )
    .option("--file <path>", "write it there", fileArgument)
    .action(async (options: Options) => {
      await runRunbook(cli(), options);
    });
}

async function runRunbook(cli: Cli, { format, file }: Options): Promise<void> {
  const strategy = await requireStrategy(cli);
  const path = file === undefined ? null : resolve(cli.cwd, file);
  if (path !== null) await requireWritable(path, true);
  const targets = await resolveAllTargets(cli, [], {});
  const isInstalled = await installedIn(cli, targets);
  const printedAt = cli.runtime.clock.now();
  const page = runbookPage({
    strategy,
    health: await healthOf(cli, targets, { isInstalled, connect: false }),
    checklist: await checklistOf(cli, strategy),
    servers: await serversOf(targets),
    plans: await plansOf(cli, targets),
    recoveries: await recoveriesOfEach(cli, targets),
    places: whereIs(targets),
    printedAt,
    host: hostname(),
  });
  const isHtml = (format ?? (file?.endsWith(".html") === true ? "html" : "md")) === "html";
  const words = cli.runtime.secrets.redact(isHtml ? pageHtml(page) : pageMarkdown(page));
  if (path !== null) {
    await writeDurable(path, words);
    cli.output.note(`wrote ${path}: print it, and keep a copy where you can read it without this machine`);
  }
  const said: RunbookJson = {
    printedAt: printedAt.toISOString(),
    file: path,
    page: path === null ? words : null,
  };
  if (cli.output.options.json) cli.output.json(said);
  else if (path === null) cli.output.text(words.trimEnd());
}

/** Where each repository of the strategy is that keeps a database. */
function whereIs(targets: readonly Target[]): Map<string, string> {
  const places = targets.flatMap((target) => target.places());
  return new Map(places.map((place) => [place.name, place.storage().place]));
}

/** The plans as they would be run now. One that cannot be made is not shown: the page must come all the same. */
async function plansOf(cli: Cli, targets: readonly Target[]): Promise<Map<string, Plan[]>> {
  const plans = new Map<string, Plan[]>();
  for (const target of targets) {
    const made: Plan[] = [];
    for (const scenario of SCENARIOS) {
      const options = scenario === "data-deleted" ? { table: ["SCHEMA.TABLE"] } : {};
      const ground = productionGround(cli, target, undefined);
      try {
        made.push(await planOf(cli, scenario, { target, options, ground }));
      } catch (error) {
        if (!isAppError(error) || cli.signal.aborted) throw error;
      }
    }
    plans.set(target.name, made);
  }
  return plans;
}

// Years of them; the page shows the last of each scenario.
const LAST_RECOVERIES = 64;

async function recoveriesOfEach(
  cli: Cli,
  targets: readonly Target[],
): Promise<Map<string, readonly RecordedRecovery[]>> {
  const all = new Map<string, readonly RecordedRecovery[]>();
  for (const target of targets) {
    const request = { database: target.name, storages: storagesOf(target), last: LAST_RECOVERIES };
    const { recoveries } = await recoveriesOf(cli.runtime, request, cli.signal);
    all.set(target.name, recoveries);
  }
  return all;
}
