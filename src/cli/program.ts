import { Command } from "commander";
import { VERSION } from "../lib/program.ts";
import type { Cli } from "./cli.ts";
import { addBackup } from "./commands/backup.ts";
import { addConfig } from "./commands/config.ts";
import { addDemo } from "./commands/demo.ts";
import { addDiff } from "./commands/diff.ts";
import { addDoctor } from "./commands/doctor.ts";
import { addExport } from "./commands/export.ts";
import { addInit } from "./commands/init.ts";
import { addList } from "./commands/list.ts";
import { addPrune } from "./commands/prune.ts";
import { addRestore } from "./commands/restore.ts";
import { addSchedule } from "./commands/schedule.ts";
import { addShow } from "./commands/show.ts";
import { addStatus } from "./commands/status.ts";
import { addVerify } from "./commands/verify.ts";
import { exitCodesHelp } from "./exit-codes.ts";

/** The whole command line. `cli` is called when a command runs, after its options were read. */
export function buildProgram(cli: () => Cli): Command {
  const program = new Command("handled")
    .description("Runs a team's PostgreSQL backup strategy, and proves that the data can be brought back.")
    .version(VERSION, "--version", "print the version")
    .option(
      "--config <file>",
      "the strategy (default: ./handled.yaml, ~/.config/handled/handled.yaml, /etc/handled/handled.yaml)",
    )
    .option("--json", "print results as JSON on standard output")
    .option("--quiet", "print results and problems only")
    .option("--verbose", "print more about errors")
    .option("--no-color", "print without colours")
    .helpOption("-h, --help", "print help")
    .helpCommand("help [command]", "print help for a command")
    .showHelpAfterError("(add --help for usage)")
    .addHelpText("after", exitCodesHelp());
  const commands = [
    addInit,
    addDoctor,
    addBackup,
    addList,
    addShow,
    addDiff,
    addStatus,
    addRestore,
    addVerify,
    addPrune,
    addExport,
    addSchedule,
    addConfig,
    addDemo,
  ];
  for (const add of commands) add(program, cli);
  return program;
}
