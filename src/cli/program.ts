import { Command, Option } from "commander";
import { VERSION } from "../lib/program.ts";
import type { Cli } from "./cli.ts";
import { exitCodesHelp } from "./exit-codes.ts";
import { deadlineArgument, many } from "./options.ts";

type AddCommand = (program: Command, cli: () => Cli) => void;

/** In the order of the help. Each is loaded when it is asked for: loading all takes longer than most commands. */
const COMMANDS: Readonly<Record<string, () => Promise<AddCommand>>> = {
  init: async () => (await import("./commands/init.ts")).addInit,
  doctor: async () => (await import("./commands/doctor.ts")).addDoctor,
  backup: async () => (await import("./commands/backup.ts")).addBackup,
  list: async () => (await import("./commands/list.ts")).addList,
  show: async () => (await import("./commands/show.ts")).addShow,
  history: async () => (await import("./commands/history.ts")).addHistory,
  diff: async () => (await import("./commands/diff.ts")).addDiff,
  "find-change": async () => (await import("./commands/find-change.ts")).addFindChange,
  status: async () => (await import("./commands/status.ts")).addStatus,
  checklist: async () => (await import("./commands/checklist.ts")).addChecklist,
  restore: async () => (await import("./commands/restore.ts")).addRestore,
  recover: async () => (await import("./commands/recover.ts")).addRecover,
  drill: async () => (await import("./commands/drill.ts")).addDrill,
  provider: async () => (await import("./commands/provider.ts")).addProvider,
  verify: async () => (await import("./commands/verify.ts")).addVerify,
  prune: async () => (await import("./commands/prune.ts")).addPrune,
  copy: async () => (await import("./commands/copy.ts")).addCopy,
  export: async () => (await import("./commands/export.ts")).addExport,
  kit: async () => (await import("./commands/kit.ts")).addKit,
  runbook: async () => (await import("./commands/runbook.ts")).addRunbook,
  repository: async () => (await import("./commands/repository.ts")).addRepository,
  key: async () => (await import("./commands/key.ts")).addKey,
  serve: async () => (await import("./commands/serve.ts")).addServe,
  user: async () => (await import("./commands/user.ts")).addUser,
  audit: async () => (await import("./commands/audit.ts")).addAudit,
  schedule: async () => (await import("./commands/schedule.ts")).addSchedule,
  notify: async () => (await import("./commands/notify.ts")).addNotify,
  config: async () => (await import("./commands/config.ts")).addConfig,
  demo: async () => (await import("./commands/demo.ts")).addDemo,
};

/**
 * The command line for these arguments. `cli` is called when a command runs, after its options were read.
 * @param args where they do not begin with a command, the program has all of them, for its help and its suggestions
 */
export async function buildProgram(cli: () => Cli, args: readonly string[]): Promise<Command> {
  const program = new Command("handled")
    .description("Runs a team's PostgreSQL backup strategy, and proves that the data can be brought back.")
    .version(VERSION, "--version", "print the version")
    .option(
      "--config <file>",
      "the strategy (default: ./handled.yaml, ~/.config/handled/handled.yaml, /etc/handled/handled.yaml)",
    )
    .addOption(
      new Option(
        "--identity <file>",
        "file with an age identity that opens encrypted backups (may be repeated; default: the one in HANDLED_IDENTITY)",
      ).argParser(many),
    )
    .addOption(
      new Option(
        "--deadline <duration>",
        "stop after this time, and fail (default: never; the strategy's `deadline` for what is scheduled)",
      ).argParser(deadlineArgument),
    )
    .option("--json", "print results as JSON on standard output")
    .addOption(
      new Option(
        "--progress <how>",
        "json: write progress and messages on standard error as lines of JSON (docs/reference/json-output.md)",
      ).choices(["json"]),
    )
    .option("--quiet", "print results and problems only")
    .option("--verbose", "print more about errors")
    .option("--no-color", "print without colours")
    .helpOption("-h, --help", "print help")
    .helpCommand("help [command]", "print help for a command")
    .showHelpAfterError("(add --help for usage)")
    .addHelpText("after", exitCodesHelp());
  for (const name of namesIn(args)) (await COMMANDS[name]?.())?.(program, cli);
  return program;
}

/** A command's name may also stand as the value of an option before it, so all that there are count. */
function namesIn(args: readonly string[]): string[] {
  const all = Object.keys(COMMANDS);
  const first = args.find((arg) => !arg.startsWith("-"));
  return first !== undefined && all.includes(first) ? all.filter((name) => args.includes(name)) : all;
}
