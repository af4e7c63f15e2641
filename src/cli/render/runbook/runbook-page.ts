import { dirname, join } from "node:path";
import type { Strategy, StrategyDatabase } from "../../../config/strategy.ts";
import type { Finding } from "../../../health/finding.ts";
import type { Health } from "../../../health/health.ts";
import type { DatabaseStatus } from "../../../health/status.ts";
import { variablesOf } from "../../../config/interpolate.ts";
import { quoteForShell } from "../../../operations/schedule/quoting.ts";
import { VERSION } from "../../../lib/program.ts";
import { formatDuration } from "../../../lib/text.ts";
import type { Checklist } from "../../../operations/checklist/checklist.ts";
import { describeJob, scheduledJobs } from "../../../operations/schedule/jobs.ts";
import type { BackupIndex } from "../../../repository/manifest.ts";
import type { Plan } from "../../../recovery/plan.ts";
import type { RecordedRecovery } from "../../../repository/recoveries.ts";
import { contactSection } from "../page/contacts.ts";
import {
  type Block,
  commands,
  facts,
  heading,
  type Page,
  type Section,
  table,
  text,
  warning,
} from "../page/page.ts";
import { formatTime } from "../time.ts";
import type { Passing } from "../page/passing.ts";
import { commandsOf, type DatabaseCommands } from "./commands.ts";
import { disasterBlocks } from "./disasters.ts";

export interface RunbookFacts {
  readonly strategy: Strategy;
  readonly health: Health;
  readonly checklist: Checklist;
  /** By database: where its server is, without a password; one that is not known is left out. */
  readonly servers: ReadonlyMap<string, string>;
  /** By database: the plans out of the disasters that there are plans for. */
  readonly plans: ReadonlyMap<string, readonly Plan[]>;
  /** By database: its drills and recoveries, newest first. */
  readonly recoveries: ReadonlyMap<string, readonly RecordedRecovery[]>;
  /** By repository of the strategy: where it is. */
  readonly places: ReadonlyMap<string, string>;
  readonly printedAt: Date;
  readonly host: string;
  readonly passing: Passing;
}

/** The strategy as it stands at this moment: what is protected, what there is to go back to, and what to type. */
export function runbookPage(runbook: RunbookFacts): Page {
  const { strategy, printedAt, host, health, passing } = runbook;
  const each = health.databases.flatMap((status) => {
    const entry = strategy.databases.find(({ name }) => name === status.database);
    return entry === undefined ? [] : [{ status, entry, run: commandsOf(strategy, entry, status, passing) }];
  });
  return {
    title: "Runbook",
    lead: [
      `Written ${passing.age(formatTime(printedAt, strategy.timeZone))} (${strategy.timeZone}) on ${host} from ${strategy.path} and its repositories, by Handled ${VERSION}. Times are in that zone.`,
      "Every figure and command on it is of that moment. Have it written anew rather than changed: `handled runbook`.",
      ...variablesNeeded(strategy),
    ],
    sections: [
      contactSection(strategy.contacts),
      { title: "Could we recover now?", blocks: nowBlocks(runbook, each) },
      { title: "Bring data back", blocks: each.flatMap((one) => restoreBlocks(runbook, one)) },
      { title: "The four disasters", blocks: each.flatMap((one) => disasterBlocks(runbook, one)) },
      { title: "Where the backups are", blocks: placeBlocks(runbook) },
      { title: "What runs by itself", blocks: jobBlocks(strategy) },
      checklistSection(runbook),
      {
        title: "Quick reference",
        blocks: [text("None of these changes a live database."), commands(...quickReference(each))],
      },
    ],
  };
}

/** What a shell at three in the morning has not, and each command asks for. */
function variablesNeeded({ path, databases, repositories }: Strategy): string[] {
  const templates = [
    ...databases.flatMap(({ url, provider }) => [url, provider?.token]),
    ...repositories.flatMap(({ url, accessKey, secretKey }) => [url, accessKey, secretKey]),
  ];
  const names = [...new Set(templates.flatMap((template) => variablesOf(template?.text ?? "")))];
  if (names.length === 0) return [];
  const file = join(dirname(path), "handled.env");
  return [
    `The commands take these variables from the shell they are typed in: ${names.join(", ")}. Where \`handled init\` has written them to ${file}, this sets them: \`set -a; . ${quoteForShell(file)}; set +a\``,
  ];
}

export interface Each {
  readonly status: DatabaseStatus;
  readonly entry: StrategyDatabase;
  readonly run: DatabaseCommands;
}

function quickReference(each: readonly Each[]): string[] {
  const own = each.flatMap(({ status, run }) => [
    run.list,
    run.backup,
    ...(status.newest === null
      ? []
      : [run.verify, run.restoreBeside, run.previewSwap, run.recover["server-lost"].preview, run.drills]),
  ]);
  const common = each.slice(0, 1).map(({ run }) => run);
  return [
    ...common.map(({ status }) => status),
    ...own,
    ...common.flatMap(({ checklist, history, kit }) => [checklist, history, kit]),
  ];
}

function nowBlocks({ health, strategy, passing }: RunbookFacts, each: readonly Each[]): Block[] {
  const findings = [...health.databases.flatMap((one) => one.findings), ...health.findings];
  const lost = (ms: number | null): string =>
    passing.age(ms === null ? "everything" : `the last ${formatDuration(Math.max(0, ms))}`);
  // A prediction moves with every look at how fast things are.
  const took = (ms: number | null): string => passing.age(ms === null ? "not known" : formatDuration(ms));
  const objective = (ms: number | null): string => (ms === null ? "no objective" : formatDuration(ms));
  return [
    ...each.flatMap(({ status, entry }): Block[] => {
      const { live } = status;
      return [
        heading(`${status.database}: ${passing.run(status.healthy ? "protected" : "not as it should be")}`),
        facts([
          ["criticality", entry.criticality],
          [
            "protects",
            entry.schemas === undefined ? "the whole database" : `the schemas ${entry.schemas.join(", ")}`,
          ],
          ["newest backup", passing.run(recoveryPoint(status.newest, strategy.timeZone))],
          ["newest proven one", passing.run(recoveryPoint(live.newestProven, strategy.timeZone))],
          [
            "lost if it were gone now",
            `${lost(live.dataAtRiskMs)}; if only what is proven counts: ${lost(live.provenAtRiskMs)} (RPO ${objective(status.rpoMs)})`,
          ],
          [
            "time to restore it",
            `predicted: ${took(live.timeToRecover.predictedMs)}; measured: ${took(live.timeToRecover.measuredMs)} (RTO ${objective(status.rtoMs)})`,
          ],
        ]),
      ];
    }),
    ...(passing.purpose === "tell" ? [] : findingsBlocks(findings, passing)),
  ];
}

/** Who is told what has changed is told of these anyhow. Their figures move with the clock. */
function findingsBlocks(findings: readonly Finding[], { purpose }: Passing): Block[] {
  if (findings.length === 0) return [text("Nothing is wrong.")];
  if (purpose === "read") return findings.flatMap(findingBlocks);
  return findings.map(({ id, database, subject, severity }) =>
    text([severity, id, database, subject].join(" ")),
  );
}

function findingBlocks({ database, message, hint, severity }: Finding): Block[] {
  const words = `${severity}: ${database === null ? "" : `${database}: `}${message}${hint === null ? "" : `. To do: ${hint}`}`;
  return [severity === "notice" ? text(words) : warning(words)];
}

function recoveryPoint(backup: BackupIndex | null, timeZone: string): string {
  if (backup === null) return "none";
  return `${formatTime(new Date(backup.snapshotAt), timeZone)}, ${backup.kind} ${backup.id}`;
}

function restoreBlocks({ servers }: RunbookFacts, { status, run }: Each): Block[] {
  const { database, newest } = status;
  const server = servers.get(database);
  if (newest === null)
    return [heading(database), warning("There is no backup to restore. Take one, and write this anew.")];
  return [
    heading(database),
    text(
      `It lives ${server === undefined ? "on a server that could not be told" : `on ${server}`}. What is there to go back to:`,
    ),
    commands(run.list),
    text("Into a new database beside the live one; nothing else is touched:"),
    commands(run.restoreBeside),
    text(
      "In place: restored beside, compared, then exchanged by rename; the old one is kept. First only look, then do it; the third takes it back:",
    ),
    commands(run.previewSwap, run.swap, run.undo),
    text("Onto another server, whose address replaces SERVER:"),
    commands(run.restoreElsewhere),
    text("Is the backup good? Restored on a throw-away server and compared, row by row:"),
    commands(run.verify),
  ];
}

function placeBlocks({ strategy, places }: RunbookFacts): Block[] {
  const rows = [...places].map(([name, place]): [string, string] => {
    const kept = strategy.databases.filter(({ repositories }) => repositories.includes(name));
    return [name, `${place}; keeps ${kept.map((one) => one.name).join(", ") || "nothing"}`];
  });
  return [facts(rows)];
}

function jobBlocks(strategy: Strategy): Block[] {
  const jobs = scheduledJobs(strategy);
  if (jobs.length === 0) return [warning("Nothing: the strategy has no `schedule`.")];
  return [
    table(
      ["database", "what", "when (cron)"],
      jobs.map((job) => [job.database, describeJob(job), `\`${job.schedule}\``]),
    ),
  ];
}

function checklistSection({ checklist, strategy, passing }: RunbookFacts): Section {
  const rows = checklist.items.map(({ every, database, by, name, what, state, lastAt, until }) => [
    every,
    database,
    by === "person" ? `${what} (\`handled checklist done ${name}\`)` : what,
    passing.run(state),
    passing.run(lastAt === null ? "never" : formatTime(lastAt, strategy.timeZone)),
    passing.run(formatTime(until, strategy.timeZone)),
  ]);
  return {
    title: "Checklist",
    blocks: [
      rows.length === 0
        ? text("There are no duties.")
        : table(["how often", "database", "what", "state", "last done", "until"], rows),
      ...checklist.failures.map(({ message }) =>
        warning(`What is recorded there is not counted: ${message}`),
      ),
    ],
  };
}
