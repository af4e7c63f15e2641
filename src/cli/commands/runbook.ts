import { resolve } from "node:path";
import { type Command, Option } from "commander";
import { requireWritable, writeDurable } from "../../lib/durable.ts";
import type { Cli } from "../cli.ts";
import type { RunbookJson } from "../../json/runbook.ts";
import { fileArgument } from "../options.ts";
import { pageHtml } from "../render/page/html.ts";
import { pageMarkdown } from "../render/page/markdown.ts";
import { runbookOf } from "../runbook-of.ts";
import { requireStrategy } from "../strategy-file.ts";

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
  const printedAt = cli.runtime.clock.now();
  const page = await runbookOf(cli, strategy, printedAt);
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
