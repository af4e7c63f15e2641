import type { InFlight } from "../../lib/in-flight.ts";
import type { Session } from "../../postgres/session.ts";
import { writePart } from "../../repository/parts.ts";
import { nameHashOf } from "../../repository/part-names.ts";
import type { PartRef } from "../../repository/stored-parts.ts";
import type { Storage } from "../../storage/storage.ts";
import { digestCopy } from "./digest-copy.ts";
import type { BuiltPart, PartBuilder } from "./part-builder.ts";
import { addDigests, type RowDigest } from "./row-digest.ts";
import { type AgeScale, findForeignPlan, joinHashes, readIdentity } from "./tuple-identity.ts";
import type {
  CopiedPart,
  CopyJob,
  CopyOutcome,
  RangeOutcome,
  RangeTask,
  RowsRead,
} from "./worker-messages.ts";

/** What one worker works with. */
export interface Desk {
  /** In a transaction with the exported snapshot and the settings for copying. */
  readonly session: Session;
  readonly storage: Storage;
  readonly database: string;
  /** Null where there is nothing to compare with. */
  readonly scale: AgeScale | null;
  readonly builder: PartBuilder;
  /** For rows that are only looked at. */
  readonly digest: RowDigest;
  /** Parts that are on their way to being durable. */
  readonly writing: InFlight;
  /** Asks whether a part of this text is there already. */
  readonly findKnown: (nameHash: string, bytes: number) => Promise<PartRef | null>;
}

/** A job of which everything is read. The next one may begin before the outcome is there: when all its parts are durable. */
export interface ReadJob {
  readonly outcome: Promise<CopyOutcome>;
}

/** Does one job: says of each range that it is as it was, or reads and stores it. */
export async function copyRanges(desk: Desk, job: CopyJob, signal: AbortSignal): Promise<ReadJob> {
  if (job.sample) {
    const sampled: RangeOutcome[] = [];
    for (const { copySql } of job.ranges)
      sampled.push({ kind: "sampled", rows: await digestCopy(desk.session, copySql, desk.digest) });
    return { outcome: Promise.resolve({ ranges: sampled, unfit: null }) };
  }
  const foreign = await checkPlans(desk, job);
  const verdicts = foreign === undefined ? await compareRanges(desk, job) : job.ranges.map(() => UNASKED);
  const ranges: Promise<RangeOutcome>[] = [];
  let unfit = foreign === undefined ? null : `the server reads it by ${foreign}`;
  for (const [index, task] of job.ranges.entries()) {
    const { same, hash, rows } = verdicts[index] ?? UNASKED;
    if (same) {
      ranges.push(Promise.resolve({ kind: "same", hash }));
      continue;
    }
    const copied = await copyRange(desk, task.copySql, signal);
    // One snapshot cannot have two counts: whatever read the rows is not what counted them.
    if (rows !== null && rows !== copied.rows)
      unfit = `${rows} rows were counted in a range and ${copied.rows} copied`;
    const made = copied.parts.then((parts): RangeOutcome => ({ kind: "read", parts, hash }));
    made.catch(() => undefined);
    ranges.push(made);
  }
  const outcome = Promise.all(ranges).then((done) => ({ ranges: done, unfit }));
  return { outcome };
}

/** Whether a range is as it was, and what was learnt by asking. */
interface Verdict {
  readonly same: boolean;
  readonly hash: string | null;
  readonly rows: number | null;
}

const UNASKED: Verdict = { same: false, hash: null, rows: null };

async function checkPlans({ session, scale }: Desk, { table, ask }: CopyJob): Promise<string | undefined> {
  if (ask === null) return undefined;
  const { base, bound } = scale ?? { base: "0", bound: "0" };
  return (
    (await findForeignPlan(session, table, ask.selectSql, [])) ??
    (await findForeignPlan(session, table, ask.identitySql, [base, bound]))
  );
}

/** Asks for all ranges at once, and for each by itself only where that does not settle it. */
async function compareRanges({ session, scale }: Desk, job: CopyJob): Promise<Verdict[]> {
  if (scale === null || job.ask === null) return job.ranges.map(() => UNASKED);
  const earlier = job.ranges.map((task) => task.earlier);
  const hashes = earlier.map((before) => before?.hash ?? null).filter((hash) => hash !== null);
  // Where a hash is missing each range is asked for, so that the next time it is there.
  if (job.ranges.length > 1 && hashes.length === job.ranges.length) {
    const all = await readIdentity(session, job.ask.identitySql, scale);
    const rows = earlier.reduce((sum, before) => sum + (before?.rows ?? 0), 0);
    if (all.rows === rows && all.young === 0 && all.hash === joinHashes(hashes)) {
      return job.ranges.map(() => ({ same: true, hash: null, rows: null }));
    }
  }
  const verdicts: Verdict[] = [];
  for (const task of job.ranges) verdicts.push(await compareRange(session, task, scale));
  return verdicts;
}

/**
 * The rule: the same number of visible tuples, none of them younger than the earlier snapshot, and the same hash where
 * there is one. `docs/design/snapshot-engine.md` has the proof.
 */
async function compareRange(session: Session, task: RangeTask, scale: AgeScale): Promise<Verdict> {
  if (task.earlier === null) return UNASKED;
  const { rows, young, hash } = await readIdentity(session, task.identitySql, scale);
  const { earlier } = task;
  const same = rows === earlier.rows && young === 0 && (earlier.hash === null || hash === earlier.hash);
  return { same, hash, rows };
}

/** What was read of a range; its parts are settled when they are durable. */
interface CopiedRange {
  readonly rows: number;
  readonly parts: Promise<CopiedPart[]>;
}

async function copyRange(desk: Desk, sql: string, signal: AbortSignal): Promise<CopiedRange> {
  const { session, builder } = desk;
  const parts: Promise<CopiedPart>[] = [];
  let rows = 0;
  builder.begin(async (part) => {
    rows += part.rows;
    const { done } = await storePart(desk, part, signal);
    // Whoever waits for the outcome is told; nobody does when the reading fails first.
    done.catch(() => undefined);
    parts.push(done);
  });
  await session.copyOut(sql, (chunk) => builder.add(chunk));
  await builder.finish();
  const all = Promise.all(parts);
  all.catch(() => undefined);
  return { rows, parts: all };
}

/** The rows of two parts together. */
export function addRows(a: RowsRead, b: RowsRead): RowsRead {
  return { rows: a.rows + b.rows, bytes: a.bytes + b.bytes, digest: addDigests(a.digest, b.digest) };
}

/**
 * Stores a part unless the main thread knows one of the same text, which then stands for it. Returns as soon as the next
 * part may be made; what it returns is settled when the part is durable.
 */
async function storePart(
  desk: Desk,
  part: BuiltPart,
  signal: AbortSignal,
): Promise<{ readonly done: Promise<CopiedPart> }> {
  const { writing } = desk;
  const { rows, bytes, digest } = part;
  const nameHash = nameHashOf(desk.storage.location, part.textHash);
  const known = await desk.findKnown(nameHash, bytes);
  if (known !== null)
    return { done: Promise.resolve({ line: { ...known, rows, bytes, digest }, stored: false }) };
  const data = part.compress();
  const done = writing.start(async () => {
    const ref = await writePart(desk, desk.database, nameHash, data, signal);
    return { line: { ...ref, rows, bytes, digest }, stored: true };
  });
  // A stream is of a file that goes with the part.
  if (!Array.isArray(data)) await done;
  await writing.room();
  return { done };
}
