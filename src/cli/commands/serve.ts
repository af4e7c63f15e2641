import type { Command } from "commander";
import { stat } from "node:fs/promises";
import { loadStrategy } from "../../config/load.ts";
import { findDatabase } from "../../config/strategy.ts";
import { Daemon, type DaemonWorld } from "../../daemon/daemon.ts";
import { readPast } from "../../daemon/job-past.ts";
import { runJobProcess } from "../../daemon/job-process.ts";
import { errorCode } from "../../errors.ts";
import { requireStrategyPath } from "../strategy-file.ts";
import type { Cli } from "../cli.ts";
import { eventJson, renderEvent } from "../render/serve.ts";
import { placesOf, strategyTarget } from "../targets.ts";

export function addServe(program: Command, cli: () => Cli): void {
  program
    .command("serve")
    .summary("run everything that is scheduled, for ever")
    .description(
      "Runs the backups, verifications, prunings and copies of the strategy at their times, until it is stopped. What was missed while " +
        "the machine was off is made up once; what fails is tried again. It reads the strategy again when the file changes, or on SIGHUP. " +
        "SIGTERM ends it, and what it runs, cleanly. All it knows is in the repositories.",
    )
    .action(async () => {
      await runServe(cli());
    });
}

async function runServe(cli: Cli): Promise<void> {
  const path = await requireStrategyPath(cli);
  const daemon = new Daemon(worldOf(cli, path));
  cli.onHangup(() => daemon.reload());
  await daemon.run(cli.signal);
  // Being stopped is how this command ends.
  cli.exitWith(0);
}

function worldOf(cli: Cli, path: string): DaemonWorld {
  const { runtime, signal } = cli;
  let timeZone = "UTC";
  return {
    clock: runtime.clock,
    version: async () => {
      try {
        const { mtime, mtimeMs, size, ino } = await stat(path);
        return { stamp: `${mtimeMs} ${size} ${ino}`, changedAt: mtime };
      } catch (error) {
        if (errorCode(error) === "ENOENT") return undefined;
        throw error;
      }
    },
    load: async () => {
      const strategy = await loadStrategy(runtime, path, signal);
      ({ timeZone } = strategy);
      return strategy;
    },
    past: async (strategy, job) => {
      const target = strategyTarget(cli, strategy, findDatabase(strategy, job.database), {});
      const storages = placesOf(target, undefined).map(({ storage }) => storage);
      return await readPast(runtime, job, storages, signal);
    },
    run: async (strategy, job, onLine, stop) => {
      const program = { node: cli.node, program: cli.script, strategyPath: strategy.path, cwd: cli.cwd };
      return await runJobProcess(runtime, job, program, onLine, stop);
    },
    tell: (event) => {
      if (cli.output.options.json) cli.output.json(eventJson(event, runtime.clock.now()));
      else cli.output.text(renderEvent(cli.output, event, runtime.clock.now(), timeZone));
    },
  };
}
