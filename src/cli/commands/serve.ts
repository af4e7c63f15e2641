import type { Command } from "commander";
import { stat } from "node:fs/promises";
import { loadStrategy } from "../../config/load.ts";
import { findDatabase } from "../../config/strategy.ts";
import { Daemon, type DaemonWorld } from "../../daemon/daemon.ts";
import { readPast } from "../../daemon/job-past.ts";
import { runJobProcess } from "../../daemon/job-process.ts";
import { type AppError, errorCode } from "../../errors.ts";
import { type Finding, finding } from "../../health/finding.ts";
import { requireStrategyPath } from "../strategy-file.ts";
import type { Cli } from "../cli.ts";
import { healthOf } from "../health-of.ts";
import { notifyOfHealth } from "../notify-of-health.ts";
import { eventJson, renderEvent } from "../render/serve.ts";
import { storagesOf, strategyTarget } from "../targets.ts";

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

function brokenStrategy({ message, hint }: AppError): Finding {
  const said = {
    message: `the strategy stays as it was: ${message}`,
    hint: hint ?? "`handled config check` says what is wrong",
  };
  return finding("strategy-broken", { database: null, criticality: null }, said);
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
        // Whatever keeps it from being looked at, reading it says what.
        if (errorCode(error) !== undefined) return undefined;
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
      return await readPast(runtime, job, storagesOf(target), signal);
    },
    run: async (strategy, job, onLine, stop) => {
      const program = { node: cli.node, program: cli.script, strategyPath: strategy.path, cwd: cli.cwd };
      return await runJobProcess(runtime, job, program, onLine, stop);
    },
    alert: async (strategy, broken, stop) => {
      if (strategy.notify === undefined) return undefined;
      const own = { ...cli, signal: stop };
      const targets = strategy.databases.map((entry) => strategyTarget(own, strategy, entry, {}));
      // This very process runs what is scheduled.
      const health = await healthOf(own, targets, { isInstalled: () => true, connect: true });
      const all =
        broken === undefined ? health : { ...health, findings: [...health.findings, brokenStrategy(broken)] };
      const { sent, failures } = await notifyOfHealth(own, targets, all);
      return { sent: sent.length, failures: failures.map(({ error }) => error) };
    },
    tell: (event) => {
      if (cli.output.options.json) cli.output.json(eventJson(event, runtime.clock.now()));
      else cli.output.text(renderEvent(cli.output, event, runtime.clock.now(), timeZone));
    },
  };
}
