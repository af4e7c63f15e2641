import type { Scenario } from "../../../config/drills.ts";
import { formatDuration } from "../../../lib/text.ts";
import type { Plan } from "../../../recovery/plan.ts";
import type { RecordedRecovery } from "../../../repository/recoveries.ts";
import { type Block, commands, heading, table, text, warning } from "../page/page.ts";
import { formatTime } from "../time.ts";
import type { Each, RunbookFacts } from "./runbook-page.ts";

/** What to do in each disaster of one database, how long each step may take, and how long it took in the last drill. */
export function disasterBlocks(runbook: RunbookFacts, each: Each): Block[] {
  if (each.status.newest === null) return [];
  return [
    ...deletedBlocks(runbook, each),
    ...serverBlocks(runbook, each),
    ...providerBlocks(runbook, each),
    ...everythingBlocks(runbook, each),
  ];
}

function deletedBlocks(runbook: RunbookFacts, { status, run }: Each): Block[] {
  return [
    heading(`${status.database}: rows were deleted or changed by mistake`),
    text(
      "Find the last backup that has them, then bring back what is missing, and only that. Write your table and condition in place of these:",
    ),
    commands(run.findChange, run.recover["data-deleted"].preview, run.recover["data-deleted"].run),
    ...planBlocks(runbook, status.database, "data-deleted"),
    text("The same by single commands, from the newest backup:"),
    commands(run.previewMissingRows, run.missingRows),
  ];
}

function serverBlocks(runbook: RunbookFacts, { status, run, entry }: Each): Block[] {
  const { database, rtoMs } = status;
  const rto = rtoMs === null ? "" : ` The objective is ${formatDuration(rtoMs)} (RTO).`;
  const places =
    entry.repositories.length > 1
      ? "Any of its places is enough."
      : `It is kept in one place only, ${entry.repositories[0]}: that must not have been on the same machine.`;
  const { preview, run: recover, drill } = run.recover["server-lost"];
  return [
    heading(`${database}: its server is lost`),
    text(
      `Restore onto any PostgreSQL of the same or a newer major version, whose address replaces SERVER, then point the application at it.${rto} ${places} First only look; the second does it, and goes on where it was when it was interrupted:`,
    ),
    commands(preview, recover),
    ...planBlocks(runbook, database, "server-lost"),
    text("Rehearse it on a throw-away server, without touching anything of production:"),
    commands(drill),
  ];
}

function providerBlocks(runbook: RunbookFacts, { status, run, entry }: Each): Block[] {
  const { database } = status;
  const title = heading(`${database}: its provider is down`);
  if (entry.provider === undefined || planOfScenario(runbook, database, "provider-down") === undefined)
    return [
      title,
      text("The same as when its server is lost, on a server somewhere else:"),
      commands(run.restoreElsewhere),
    ];
  const { preview, run: recover, drill } = run.recover["provider-down"];
  return [
    title,
    commands(preview, recover),
    ...planBlocks(runbook, database, "provider-down"),
    commands(drill),
  ];
}

function everythingBlocks(runbook: RunbookFacts, { status, run }: Each): Block[] {
  const { database } = status;
  const plan = planOfScenario(runbook, database, "everything-lost");
  const recover = run.recover["everything-lost"];
  return [
    heading(`${database}: everything is lost`),
    text(
      "Without this machine and its strategy file: the recovery kit, which should lie printed elsewhere, has the lines for it. This writes it:",
    ),
    commands(run.kit),
    ...(plan === undefined
      ? []
      : [
          text("On the new machine, with the strategy in place again:"),
          commands(recover.preview, recover.run),
          ...planBlocks(runbook, database, "everything-lost"),
        ]),
  ];
}

function planOfScenario({ plans }: RunbookFacts, database: string, scenario: Scenario): Plan | undefined {
  return plans.get(database)?.find((plan) => plan.scenario === scenario);
}

/** The steps with their budgets, and what they took when it was last drilled or needed. */
function planBlocks(runbook: RunbookFacts, database: string, scenario: Scenario): Block[] {
  const plan = planOfScenario(runbook, database, scenario);
  if (plan === undefined) return [];
  const all = (runbook.recoveries.get(database) ?? []).filter((one) => one.scenario === scenario);
  const last = all.find(({ outcome }) => outcome === "done");
  const took = (id: string): string => {
    const ms = last?.steps.find((step) => step.id === id)?.ms;
    return runbook.passing.run(ms == null ? "-" : formatDuration(ms));
  };
  const rows = plan.steps.map(({ id, title, checkedBy, budgetMs, ifItFails }, at) => [
    String(at + 1),
    title,
    checkedBy,
    formatDuration(budgetMs),
    took(id),
    ifItFails,
  ]);
  return [
    table(
      ["", "step", "checked by", "budget", "last took", "if it fails"],
      [
        ...rows,
        [
          "",
          "all of it",
          "",
          formatDuration(plan.budgetMs),
          runbook.passing.run(last?.rtoMs == null ? "-" : formatDuration(last.rtoMs)),
          "",
        ],
      ],
    ),
    ...lastBlocks(runbook, last, all[0]),
  ];
}

function lastBlocks(
  { strategy, passing }: RunbookFacts,
  done: RecordedRecovery | undefined,
  newest: RecordedRecovery | undefined,
): Block[] {
  const at = ({ startedAt }: RecordedRecovery): string =>
    passing.run(formatTime(new Date(startedAt), strategy.timeZone));
  const words: Block[] = [];
  if (newest !== undefined && newest !== done && newest.outcome !== null)
    words.push(
      warning(
        `The last ${nounOf(newest)}, of ${at(newest)}, ${newest.outcome === "failed" ? "failed" : "was interrupted"}${newest.error === null ? "" : `: ${newest.error.message}`}.`,
      ),
    );
  if (done === undefined)
    return [...words, text("It was never rehearsed to its end, so nobody knows how long it takes.")];
  const lost =
    done.dataLostMs === null
      ? ""
      : ` Of the data ${passing.run(formatDuration(done.dataLostMs))} would have been lost.`;
  const notes = [done.note, ...done.notes.map(({ note }) => note)].filter((note) => note !== "");
  const learned = notes.length === 0 ? "" : ` Noted: ${notes.join("; ")}.`;
  return [...words, text(`Measured in the ${nounOf(done)} of ${at(done)}.${lost}${learned}`)];
}

const nounOf = ({ kind }: RecordedRecovery): string => (kind === "drill" ? "drill" : "recovery");
