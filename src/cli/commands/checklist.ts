import type { Command } from "commander";
import { type Strategy, type StrategyDuty } from "../../config/strategy.ts";
import { AppError, ERRORS, DEGRADED_EXIT } from "../../errors.ts";
import { nearest } from "../../lib/text.ts";
import { recordDutyDone } from "../../operations/checklist/checklist.ts";
import { checklistOf, keptIn } from "../checklist-of.ts";
import type { Cli } from "../cli.ts";
import type { ChecklistDoneJson } from "../../json/checklist.ts";
import { checklistJson, renderChecklist } from "../render/checklist.ts";
import { requireStrategy } from "../strategy-file.ts";

export function addChecklist(program: Command, cli: () => Cli): void {
  const checklist = program
    .command("checklist")
    .summary("show what is to be done each day, week, month and quarter, and what was")
    .description(
      "Shows the duties of the strategy: what is scheduled, which is done when its run was, and what people do, which they record here. " +
        "Exit code 4 when one is overdue: neither done in this period nor in the one before.",
    )
    .action(async () => {
      await runChecklist(cli());
    });
  checklist
    .command("done")
    .summary("record that a duty is done")
    .description("Records in the repository that you have done a duty: when, who you are, and what you say.")
    .argument("<duty>", "its name in the strategy")
    .option("--note <text>", "what you saw")
    .option("--by <name>", "who has done it, where that is not who runs this")
    .action(async (name: string, options: { readonly note?: string; readonly by?: string }) => {
      await runDone(cli(), name, options);
    });
}

async function runChecklist(cli: Cli): Promise<void> {
  const strategy = await requireStrategy(cli);
  const checklist = await checklistOf(cli, strategy);
  cli.output.result(checklistJson(checklist), () =>
    renderChecklist(cli.output, checklist, cli.runtime.clock.now(), strategy.timeZone),
  );
  for (const { message } of checklist.failures)
    cli.output.warn(`what is recorded there is not counted: ${message}`);
  if (checklist.failures.length > 0 || checklist.items.some(({ state }) => state === "overdue"))
    cli.exitWith(ERRORS.unhealthy.exit);
}

async function runDone(
  cli: Cli,
  name: string,
  { note = "", by }: { readonly note?: string; readonly by?: string },
): Promise<void> {
  const strategy = await requireStrategy(cli);
  const duty = findDuty(strategy, name);
  const storages = keptIn(cli, strategy, duty.database);
  const failures = await recordDutyDone(cli.runtime, duty, { note, by, storages }, cli.signal);
  const unrecorded = failures.map(({ message }) => message);
  cli.output.result(
    { duty: name, database: duty.database, unrecorded } satisfies ChecklistDoneJson,
    () => `${cli.output.paint("green", "✓")} ${name} is recorded as done`,
  );
  for (const message of unrecorded) cli.output.warn(`it is not recorded there: ${message}`);
  if (unrecorded.length > 0) cli.exitWith(DEGRADED_EXIT);
}

function findDuty({ duties, path }: Strategy, name: string): StrategyDuty {
  const found = duties.find((duty) => duty.name === name);
  if (found !== undefined) return found;
  const names = duties.map((duty) => duty.name);
  const similar = nearest(name, names);
  throw new AppError("usage", `find the duty ${name}: it is not under \`duties\` in the strategy ${path}`, {
    hint:
      similar !== undefined
        ? `did you mean \`${similar}\`?`
        : names.length === 0
          ? "it has none; what is scheduled is done when its run is"
          : `it has ${names.join(", ")}`,
  });
}
