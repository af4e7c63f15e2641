import { AppError } from "../../errors.ts";
import { counted, formatDuration } from "../../lib/text.ts";
import { describeJob } from "../../operations/schedule/jobs.ts";
import type { RunFile } from "../../repository/run-file.ts";
import type { Facts } from "../facts.ts";
import { type Finding, finding } from "../finding.ts";

// No backup takes longer, and no other machine tells how its run ended.
const LONGEST_RUN_MS = 24 * 60 * 60_000;
// That a backup is damaged its proof says, for as long as it is true.
const SAID_BY_PROOF: readonly string[] = ["backup_damaged", "rows_differ"];

/** How the last run of everything that runs again and again ended. Restores and copies are looked at by whoever ran them. */
export function checkRuns(facts: Facts): Finding[] {
  const { runs, database, now } = facts;
  const unrecorded = endedUnrecorded(facts);
  if (runs instanceof AppError) {
    return [
      ...unrecorded,
      finding("history-unreadable", facts, {
        message: `what ran cannot be told: ${runs.message}`,
        hint: runs.hint ?? null,
        evidence: { error: runs.code },
      }),
    ];
  }
  const findings: Finding[] = [];
  for (const [subject, group] of Map.groupBy(runs, (run) => seriesOf(facts, run))) {
    if (subject === undefined) continue;
    const [last] = group;
    const begun = last?.outcome === null ? last : undefined;
    const runningMs = begun === undefined ? 0 : now.getTime() - Date.parse(begun.startedAt);
    if (begun !== undefined && runningMs > LONGEST_RUN_MS) {
      findings.push(
        finding("run-unended", facts, {
          subject,
          message: `${subject} began ${formatDuration(runningMs)} ago on ${begun.by.host}, and its end is not recorded`,
          hint: `look on ${begun.by.host} whether it still runs`,
          evidence: { run: begun.id, host: begun.by.host, runningMs },
        }),
      );
    }
    findings.push(
      ...endedBadly(facts, subject, group).filter(
        (one) => !unrecorded.some((known) => known.subject === one.subject),
      ),
    );
  }
  findings.push(...unrecorded);
  const differing = facts.backups.find(({ kind }) => kind === "snapshot");
  if (differing?.kind === "snapshot" && differing.snapshot.sample.differing > 0) {
    const tables = counted(differing.snapshot.sample.differing, "table");
    findings.push(
      finding("run-degraded", facts, {
        message: `snapshot ${differing.id} found ${tables} in which something that had not changed was not what is stored, and read everything anew`,
        hint: `\`handled verify ${database}\` tells whether earlier snapshots are whole; please report it, for this must not happen`,
        evidence: { backup: differing.id, differing: differing.snapshot.sample.differing },
      }),
    );
  }
  return findings;
}

/** What the run is one of, in words; undefined where it says nothing of the next one. */
function seriesOf({ jobs }: Facts, { operation, entry, error }: RunFile): string | undefined {
  const series = describeJob({ operation, entry });
  switch (operation) {
    case "backup":
      // Whoever runs one beside a schedule sees how it ends; without a schedule another scheduler may run it.
      return entry === null && jobs.some((job) => job.operation === "backup") ? undefined : series;
    case "verify":
      return SAID_BY_PROOF.includes(error?.code ?? "") ? undefined : series;
    case "prune":
      return series;
    case "restore":
    case "copy":
    case "rebuild":
    // How the last one of these ended its own record says, with every step.
    case "recover":
    case "drill":
      return undefined;
  }
}

function endedBadly(facts: Facts, subject: string, group: readonly RunFile[]): Finding[] {
  const ended = group.filter((run) => run.outcome !== null && !isStoppedByHand(run));
  const [last] = ended;
  if (last === undefined || !isFailure(last)) return [];
  const better = ended.findIndex((run) => !isFailure(run));
  const failures = better < 0 ? ended : ended.slice(0, better);
  const first = failures.at(-1) ?? last;
  const since = `${first.startedAt.slice(0, 16).replace("T", " ")} UTC`;
  const times = failures.length === 1 ? `on ${since}` : `${failures.length} times in a row, since ${since}`;
  const how = last.outcome === "interrupted" ? "was interrupted" : "failed";
  const reason = last.error?.message ?? last.summary;
  return [
    finding("run-failed", facts, {
      subject,
      message: `${subject} ${how} ${times}${reason === "" ? "" : `: ${reason}`}`,
      hint: last.error?.hint ?? `\`handled history ${facts.database} --failed\` shows what ran`,
      evidence: {
        run: last.id,
        failures: failures.length,
        since: first.startedAt,
        outcome: last.outcome,
        error: last.error?.code ?? null,
      },
    }),
  ];
}

/** What was seen to fail and left no record: the place may be full or gone, or what it needs was not there to begin with. */
function endedUnrecorded(facts: Facts): Finding[] {
  const { seen = [], runs, database } = facts;
  const recorded = runs instanceof AppError ? [] : runs;
  return seen.flatMap((one) => {
    const { operation, entry, outcome, error } = one;
    const isRecorded = recorded.some(
      (run) =>
        run.operation === operation &&
        run.entry === entry &&
        Date.parse(run.startedAt) >= one.startedAt.getTime(),
    );
    if (!isFailure(one) || isRecorded) return [];
    const subject = describeJob(one);
    const at = one.startedAt.toISOString();
    const how = outcome === "interrupted" ? "was interrupted" : "failed";
    return [
      finding("run-failed", facts, {
        subject,
        message: `${subject} ${how} on ${at.slice(0, 16).replace("T", " ")} UTC and left no record${error === undefined ? "" : `: ${error.message}`}`,
        hint:
          error?.hint ??
          `\`handled ${operation} ${database}\` by hand shows what is wrong; so does the log of \`handled serve\``,
        evidence: { run: null, failures: 1, since: at, outcome, error: null },
      }),
    ];
  });
}

/** Somebody began it and thought better of it. */
const isStoppedByHand = ({ entry, outcome, error }: RunFile): boolean =>
  entry === null && outcome === "interrupted" && error?.code === "interrupted";

const isFailure = ({ outcome }: Pick<RunFile, "outcome">): boolean =>
  outcome === "failed" || outcome === "interrupted";
