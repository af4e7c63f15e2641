import { spawn } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import type { Command } from "commander";
import { type DemoStage, runDemo } from "../../demo/demo.ts";
import type { Cli } from "../cli.ts";
import { serveDemo } from "../demo-dashboard.ts";
import { fileArgument } from "../options.ts";

interface Options {
  readonly serve: boolean;
  readonly quick: boolean;
  readonly runbook?: string;
}

export function addDemo(program: Command, cli: () => Cli): void {
  program
    .command("demo")
    .summary("the whole story on throw-away servers")
    .description(
      "Starts PostgreSQL servers of its own, one of them behind a stand-in for a managed service, fills them, backs both up, has the disasters of the strategy, recovers by their plans, and compares every row. Then the dashboard shows all of it, until Ctrl-C. Needs PostgreSQL's server programs. Touches nothing outside a temporary folder, which it removes.",
    )
    .option(
      "--no-serve",
      "end after the story, at the terminal alone, instead of showing the dashboard of it",
    )
    .option("--quick", "a tenth of the rows and none of the disasters: soon at the dashboard", false)
    .option("--runbook <file>", "keep the runbook of the demo in this file", fileArgument)
    .action(async (options: Options) => {
      const { runtime, output, signal } = cli();
      const report = await runDemo(runtime, stageOf(cli(), options), signal);
      if (output.options.json) output.json(report);
    });
}

function stageOf(cli: Cli, { serve, quick, runbook }: Options): DemoStage {
  const { output, signal } = cli;
  // Nothing else of the user's, so that no PG… variable points anywhere else.
  const { PATH = "", TERM = "", LANG = "" } = cli.runtime.env;
  const terminal = { PATH, TERM, LANG };
  return {
    node: cli.node,
    runbook: runbook === undefined ? undefined : resolve(cli.cwd, runbook),
    title: (text) => output.note(`\n${output.paint("bold", `▸ ${text}`)}`),
    say: (text) => output.note(`  ${text}`),
    handled: async (args, cwd, env) => {
      signal.throwIfAborted();
      output.note(output.paint("dim", `  $ handled ${args.join(" ")}`));
      const child = spawn(cli.node, [cli.script, ...args], {
        cwd,
        env: { ...terminal, ...env },
        // Results belong to the story, which is told on standard error with the rest.
        stdio: ["ignore", output.options.json ? "ignore" : 2, 2],
        // The terminal's Ctrl-C is for us: a second one would end it before it has tidied up.
        detached: true,
      });
      const stop = (): void => {
        child.kill("SIGINT");
      };
      signal.addEventListener("abort", stop, { once: true });
      try {
        const [code] = (await once(child, "close")) as [number | null];
        return code ?? 130;
      } finally {
        signal.removeEventListener("abort", stop);
      }
    },
    quick,
    serve: serve ? async (at) => await serveDemo(cli, { ...at, env: { ...terminal, ...at.env } }) : undefined,
  };
}
