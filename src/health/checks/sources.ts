import { counted, formatBytes } from "../../lib/text.ts";
import { median } from "../../lib/statistics.ts";
import type { SourceFacts } from "../../operations/sources/look-at-sources.ts";
import { AppError } from "../../errors.ts";
import type { Facts } from "../facts.ts";
import { type Finding, finding } from "../finding.ts";
import { jumpOf, type Limits } from "../out-of-history.ts";

// What a source lost is not in any backup of it, and sources seldom shrink: a tenth is worth a look.
const BYTES: Limits = { least: 1, fallen: 0.1, grown: Infinity };
const FILES: Limits = { least: 1, fallen: 0.1, grown: Infinity };
// Where there is too little history to say what is usual.
const HALF = 0.5;

/** Whether all is there that the database can be made from without a backup, and as much as when backups were taken. */
export function checkSources(facts: Facts): Finding[] {
  return facts.sources.flatMap((found) => checkSource(facts, found));
}

function checkSource(facts: Facts, found: SourceFacts): Finding[] {
  const { source, problem, files, bytes } = found;
  const said = { subject: source, hint: hintFor(facts) };
  if (problem !== null) {
    const id = problem.kind === "missing" ? "source-missing" : "source-unreadable";
    const message = `${source}, which ${facts.database} can be made from, ${problem.kind === "missing" ? "is missing" : "cannot be read"}: ${problem.reason}`;
    return [finding(id, facts, { ...said, message, evidence: { ...lastKnown(facts, source) } })];
  }
  const before = recordedOf(facts, source);
  if (bytes === 0) {
    const message = `${source}, which ${facts.database} can be made from, is empty: 0 bytes in ${counted(files, "file")}`;
    return [finding("source-shrunk", facts, { ...said, message, evidence: { bytes, files } })];
  }
  const fall =
    fallOf([bytes, ...before.map((one) => one.bytes)], BYTES, "bytes") ??
    fallOf([files, ...before.map((one) => one.files)], FILES, "files");
  if (fall === undefined) return [];
  const show = fall.of === "bytes" ? formatBytes : (count: number) => counted(Math.round(count), "file");
  const share = Math.floor((100 * (fall.usual - fall.now)) / fall.usual);
  const message =
    `${source}, which ${facts.database} can be made from, has ${share} % less in it than at the ${counted(fall.before, "backup")} before: ` +
    `${show(fall.now)}, and ${show(fall.usual)} then`;
  const evidence = { of: fall.of, now: fall.now, median: fall.usual, backups: fall.before };
  return [finding("source-shrunk", facts, { ...said, message, evidence })];
}

type Recorded = Omit<SourceFacts, "problem">;

/** What backups recorded of it, newest first. */
function recordedOf({ runs }: Facts, source: string): Recorded[] {
  if (runs instanceof AppError) return [];
  return runs.flatMap(({ operation, sources = [] }) =>
    operation === "backup" ? sources.filter((one) => one.source === source) : [],
  );
}

function lastKnown(facts: Facts, source: string): Finding["evidence"] {
  const [last] = recordedOf(facts, source);
  return last === undefined ? {} : { lastFiles: last.files, lastBytes: last.bytes };
}

interface Fall {
  readonly of: "bytes" | "files";
  readonly now: number;
  readonly usual: number;
  readonly before: number;
}

/** @param values now, then as recorded, newest first */
function fallOf(values: readonly number[], limits: Limits, of: Fall["of"]): Fall | undefined {
  const jump = jumpOf(values, limits);
  if (jump !== undefined) return { of, now: jump.value, usual: jump.median, before: jump.before };
  const [now = 0, ...before] = values;
  if (before.length === 0 || before.length >= ENOUGH) return undefined;
  const usual = median(before);
  return now < HALF * usual ? { of, now, usual, before: before.length } : undefined;
}

// From so many on, what `jumpOf` does not tell is usual.
const ENOUGH = 10;

function hintFor({ database }: Facts): string {
  return `bring it back from where it came from, or take it out of \`rebuild.sources\`; until then only backups bring ${database} back`;
}
