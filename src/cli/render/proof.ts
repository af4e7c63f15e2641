import { counted, formatDuration } from "../../lib/text.ts";
import type { ProofFile, ProofProblem } from "../../repository/proof-file.ts";
import type { ProofJson } from "../../json/common.ts";
import type { Output } from "../output.ts";
import { formatAge, formatTime } from "./time.ts";

/** The newest proof of a backup, as lists of backups give it. */
export function proofJson(proof: ProofFile | undefined): ProofJson | null {
  if (proof === undefined) return null;
  const { operation, outcome, level, proven, finishedAt, compared, durations, server, problems } = proof;
  return {
    operation,
    outcome,
    level,
    proven,
    at: finishedAt,
    tables: compared.tables,
    rows: compared.rows,
    restoreMs: durations.restoreMs,
    compareMs: durations.compareMs,
    serverVersion: server?.version ?? null,
    problem: problems[0] === undefined ? null : describeProblem(problems[0]),
  };
}

/** `content 2 d ago`, for a column of a table. */
export function proofCell(output: Output, proof: ProofFile | undefined, now: Date): string {
  if (proof === undefined) return "-";
  const age = formatAge(new Date(proof.finishedAt), now);
  return proof.proven === null ? output.paint("red", `FAILED ${age}`) : `${proof.proven} ${age}`;
}

/** `proven 2026-11-20 12:00:00: content, 461,420 rows, restored in 12.0 s`. */
export function describeProof(proof: ProofFile | undefined, timeZone: string): string {
  if (proof === undefined) return "none yet: `handled verify` makes one";
  const at = formatTime(new Date(proof.finishedAt), timeZone);
  const [first] = proof.problems;
  if (proof.proven === null) {
    return `FAILED ${at} (${DONE[proof.operation] ?? proof.level})${first === undefined ? "" : `: ${describeProblem(first)}`}`;
  }
  const { restoreMs } = proof.durations;
  const restored = restoreMs === null ? "" : `, restored in ${formatDuration(restoreMs)}`;
  return `proven ${at}: ${proof.proven}, ${counted(proof.compared.rows, "row")}${restored}`;
}

/** What was done when nobody asked for a check. */
const DONE: Partial<Record<ProofFile["operation"], string>> = {
  restore: "a restore met damage",
  export: "an export met damage",
  show: "a look at it met damage",
  diff: "a comparison met damage",
  repair: "a repair found parts of it missing",
};

/** `table shop.orders: part 3a…: its SHA-256 is not the one recorded`. */
export function describeProblem({ table, object, part, reason }: ProofProblem): string {
  const named = part !== null && !reason.includes(part) ? `${object} ${part}: ` : "";
  return `${table === null ? "" : `table ${table}: `}${named}${reason}`;
}
