import { counted, formatBytes, formatDuration } from "../../lib/text.ts";
import type { VerifyReport } from "../../operations/verify/record.ts";
import type { ProofFile } from "../../repository/proof-file.ts";
import type { VerifyJson } from "../../json/restore.ts";
import type { Output } from "../output.ts";
import { describeProblem } from "./proof.ts";
import { formatTime } from "./time.ts";

// A terminal's height; `--json` has all of them.
const MOST_PROBLEMS = 20;

export function verifyJson(
  { outcome, proof, index, problems, key }: VerifyReport,
  mended: readonly string[],
  place: string,
): VerifyJson {
  const { backup, problems: _, problemCount: __, format: ___, operation: ____, ...rest } = proof;
  return {
    id: backup,
    place,
    kind: index?.kind ?? null,
    ...rest,
    assertions: rest.assertions ?? [],
    application: rest.application ?? null,
    outcome,
    problems: [...problems],
    record: key,
    mended: [...mended],
  };
}

/** @param place named where there are several */
export function renderVerify(
  output: Output,
  report: VerifyReport,
  timeZone: string,
  place: string | undefined,
): string {
  const { outcome, proof, index, problems, key } = report;
  const where = place === undefined ? "" : ` in ${place}`;
  const name = `${output.paint("bold", `${proof.database} ${proof.backup}`)}${where}`;
  const heads: Record<VerifyReport["outcome"], string> = {
    proven: `${output.paint("green", "✓")} ${name} is proven: ${proof.proven ?? ""}`,
    failed: `${output.paint("red", "✗")} ${name} is NOT proven: ${counted(problems.length, "problem")}`,
    unopened: `${output.paint("yellow", "?")} ${name} is not proven: nothing is wrong with what could be compared, and no key here opens the rest`,
  };
  const lines: [string, string][] = [
    ...(index === undefined
      ? []
      : ([["Backup", `${index.kind} of ${formatTime(new Date(index.snapshotAt), timeZone)}`]] as [
          string,
          string,
        ][])),
    ...describeWork(proof, outcome),
    ...describeAsserted(proof),
    ...proof.notCompared.map(({ what, reason }): [string, string] => ["Not compared", `${what}: ${reason}`]),
    ["Record", key ?? "not written"],
  ];
  const width = Math.max(...lines.map(([label]) => label.length));
  const shown = problems
    .slice(0, MOST_PROBLEMS)
    .map((one) => `  ${output.paint("red", "-")} ${describeProblem(one)}`);
  const more = problems.length - shown.length;
  return [
    heads[outcome],
    ...shown,
    ...(more > 0 ? [`    and ${counted(more, "more problem")}; \`--json\` has all`] : []),
    ...lines.map(([label, value]) => `  ${output.paint("dim", label.padEnd(width))}  ${value}`),
  ].join("\n");
}

function describeWork(
  { compared, durations, server, proven }: ProofFile,
  outcome: VerifyReport["outcome"],
): [string, string][] {
  // Where something is wrong, some of it may not be there at all.
  const how = outcome === "failed" ? "looked at" : "read whole";
  const { integrityMs, restoreMs, compareMs } = durations;
  const lines: [string, string][] = [];
  const took = integrityMs === null ? "" : ` in ${formatDuration(integrityMs)}`;
  lines.push([
    "Stored",
    `${counted(compared.objects, "object")}, ${formatBytes(compared.storedBytes)}, ${how}${restoreMs === null ? took : ""}`,
  ]);
  if (server !== null && restoreMs !== null) {
    const where = server.kind === "given" ? "the given server" : "a throw-away server";
    lines.push(["Restored", `in ${formatDuration(restoreMs)} on ${where}, PostgreSQL ${server.version}`]);
  }
  if (proven !== null) lines.push(["Compared", describeCompared(compared, compareMs)]);
  return lines;
}

function describeAsserted({ assertions = [], application }: ProofFile): [string, string][] {
  const held = assertions.filter(({ outcome }) => outcome === "true").length;
  const all = assertions.length;
  const ms = assertions.reduce((sum, one) => sum + one.ms, 0);
  const healthy = application?.outcome === "healthy" ? "healthy" : "NOT healthy";
  return [
    ...(all === 0
      ? []
      : ([["Asserted", `${held} of ${counted(all, "assertion")} true in ${formatDuration(ms)}`]] as [
          string,
          string,
        ][])),
    ...(application === undefined
      ? []
      : ([["Application", `${healthy} after ${formatDuration(application.ms)}`]] as [string, string][])),
  ];
}

function describeCompared(compared: ProofFile["compared"], compareMs: number | null): string {
  const { rows, tables, digests, sequences, definitions } = compared;
  const parts = [
    `${counted(rows, "row")} in ${counted(tables, "table")}`,
    ...(digests > 0 ? [`${counted(digests, "digest")}`] : []),
    ...(sequences > 0 ? [counted(sequences, "sequence")] : []),
    ...(definitions > 0 ? [counted(definitions, "definition")] : []),
  ];
  return `${parts.join(", ")}${compareMs === null ? "" : ` in ${formatDuration(compareMs)}`}`;
}
