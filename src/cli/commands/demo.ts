import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseEnv } from "node:util";
import { type Command, Option } from "commander";
import { type DemoStage, runDemo } from "../../demo/demo.ts";
import { serveApi } from "../../demo/shop-api.ts";
import type { Cli } from "../cli.ts";
import { positiveInteger } from "../options.ts";

interface Options {
  readonly serve: boolean;
  readonly api?: number;
}

// What the demo's application shows of each database.
const SHOWN = { PRIMARY_DATABASE_URL: "customer.organizations", DATA_DATABASE_URL: "reference.products" };

export function addDemo(program: Command, cli: () => Cli): void {
  program
    .command("demo")
    .summary("the whole story on throw-away servers")
    .description(
      "Starts PostgreSQL servers of its own, one of them behind a stand-in for a managed service, fills them, backs both up, has the disasters of the strategy, recovers by their plans, and compares every row. Needs PostgreSQL's server programs. Touches nothing outside a temporary folder, which it removes.",
    )
    .option("--no-serve", "end after the story instead of leaving the servers to play with")
    .addOption(new Option("--api <port>").argParser(positiveInteger).hideHelp())
    .action(async (options: Options) => {
      const { runtime, output, signal } = cli();
      if (options.api !== undefined) {
        await serveDemoApi(cli(), options.api);
        return;
      }
      const report = await runDemo(runtime, stageOf(cli(), options.serve), signal);
      if (output.options.json) output.json(report);
    });
}

/** The application of the demo, which it runs as a process of its own. */
async function serveDemoApi({ cwd, signal }: Cli, port: number): Promise<void> {
  const env = parseEnv(await readFile(join(cwd, ".env"), "utf8"));
  await using _api = serveApi(env, SHOWN, port);
  if (!signal.aborted) await once(signal, "abort");
}

function stageOf(cli: Cli, serve: boolean): DemoStage {
  const { output, signal } = cli;
  return {
    program: { node: cli.node, script: cli.script },
    title: (text) => output.note(`\n${output.paint("bold", `▸ ${text}`)}`),
    say: (text) => output.note(`  ${text}`),
    handled: async (args, env) => {
      const shown = args.slice(args[0] === "--config" ? 2 : 0).join(" ");
      output.note(output.paint("dim", `  $ handled ${shown}`));
      // The environment of the demo alone, so that no PG… variable of the user's points anywhere else.
      const { PATH, HOME, TMPDIR, TERM, LANG } = cli.runtime.env;
      const child = spawn(cli.node, [cli.script, ...args], {
        cwd: cli.cwd,
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
