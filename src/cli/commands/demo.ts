import { spawn } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import type { Command } from "commander";
import { type DemoStage, runDemo } from "../../demo/demo.ts";
import type { Cli } from "../cli.ts";
import { fileArgument } from "../options.ts";

interface Options {
  readonly serve: boolean;
  readonly runbook?: string;
}

export function addDemo(program: Command, cli: () => Cli): void {
  program
    .command("demo")
    .summary("the whole story on throw-away servers")
    .description(
      "Starts PostgreSQL servers of its own, one of them behind a stand-in for a managed service, fills them, backs both up, has the disasters of the strategy, recovers by their plans, and compares every row. Needs PostgreSQL's server programs. Touches nothing outside a temporary folder, which it removes.",
    )
    .option("--no-serve", "end after the story instead of leaving the servers to play with")
    .option("--runbook <file>", "keep the runbook of the demo in this file", fileArgument)
    .action(async (options: Options) => {
      const { runtime, output, signal } = cli();
      const report = await runDemo(runtime, stageOf(cli(), options), signal);
      if (output.options.json) output.json(report);
    });
}

function stageOf(cli: Cli, { serve, runbook }: Options): DemoStage {
  const { output, signal } = cli;
  return {
    node: cli.node,
    runbook: runbook === undefined ? undefined : resolve(cli.cwd, runbook),
    title: (text) => output.note(`\n${output.paint("bold", `▸ ${text}`)}`),
    say: (text) => output.note(`  ${text}`),
    handled: async (args, cwd, env) => {
      output.note(output.paint("dim", `  $ handled ${args.join(" ")}`));
      // The environment of the demo alone, so that no PG… variable of the user's points anywhere else.
      const { PATH, HOME, TMPDIR, TERM, LANG } = cli.runtime.env;
      const child = spawn(cli.node, [cli.script, ...args], {
        cwd,
        env: { PATH, HOME, TMPDIR, TERM, LANG, ...env },
        // Results belong to the story, which is told on standard error with the rest.
        stdio: ["ignore", output.options.json ? "ignore" : 2, 2],
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
    linger: async (folder, envFile) => {
      if (!serve) return;
      output.note("");
      output.note("The servers stay up until you press Ctrl-C. In another terminal, try:");
      output.note(`  set -a; . ${envFile}; set +a; cd ${folder}; export XDG_STATE_HOME=${folder}/state`);
      output.note(`  alias handled='${cli.node} ${cli.script}'`);
      output.note("  handled list; handled status; handled runbook");
      if (signal.aborted) return;
      await new Promise<void>((resolve) => {
        // The promise alone does not keep the process alive.
        const alive = setInterval(() => undefined, 60_000);
        signal.addEventListener(
          "abort",
          () => {
            clearInterval(alive);
            resolve();
          },
          { once: true },
        );
      });
    },
  };
}
