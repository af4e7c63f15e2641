import type { Session } from "../../postgres/session.ts";
import type { PartRange } from "../../repository/part-list-lines.ts";
import type { BlockRange, SourceTable } from "./tables.ts";
import {
  type AgeScale,
  findForeignPlan,
  joinHashes,
  readSurvivors,
  type Survivors,
  survivorsSql,
} from "./tuple-identity.ts";

/** How a table is asked about. */
export interface LostCall {
  /** In a transaction whose snapshot passed every guard of the backup's baseline, with the settings for copying. */
  readonly session: Session;
  readonly table: SourceTable;
  readonly secret: number;
  readonly scale: AgeScale;
}

// As many as a snapshot asks about at once: 64 MiB of a table.
const GROUP = 16;
const WHOLE: BlockRange = { from: 0, to: null };

/** What in the server's plan says that it would not read this table by its tuple ids; undefined where it would. */
export async function findForeignSurvivors({
  session,
  table,
  secret,
  scale,
}: LostCall): Promise<string | undefined> {
  const { base, bound } = scale;
  return await findForeignPlan(session, table, survivorsSql(table, WHOLE, secret), [base, bound]);
}

/**
 * Of a backup's ranges those that may have had a row which is not there any more in the same version. All rows of the
 * others are there, unchanged: `docs/design/missing-rows.md` has the proof. What was added to a range does not matter.
 */
export async function* lostRanges(
  call: LostCall,
  ranges: AsyncIterable<PartRange>,
): AsyncGenerator<PartRange> {
  let group: PartRange[] = [];
  for await (const range of ranges) {
    group.push(range);
    if (group.length < GROUP) continue;
    yield* lostOf(call, group);
    group = [];
  }
  yield* lostOf(call, group);
}

async function* lostOf(call: LostCall, group: readonly PartRange[]): AsyncGenerator<PartRange> {
  const [first, last] = [group[0], group.at(-1)];
  if (first === undefined || last === undefined) return;
  if (group.length > 1 && isComplete(await ask(call, { from: first.from, to: last.to }), group)) return;
  for (const range of group) {
    if (range.rows === 0) continue;
    if (!isComplete(await ask(call, range), [range])) yield range;
  }
}

/** Whether all rows that the ranges had are among the survivors: then there are as many, and those are they. */
function isComplete({ rows, hash }: Survivors, ranges: readonly PartRange[]): boolean {
  if (ranges.some(({ identity }) => identity === null)) return false;
  if (rows !== ranges.reduce((sum, range) => sum + range.rows, 0)) return false;
  const hashes = ranges.map(({ identity }) => identity?.hash ?? null).filter((one) => one !== null);
  return hashes.length < ranges.length || joinHashes(hashes) === hash;
}

async function ask({ session, table, secret, scale }: LostCall, range: BlockRange): Promise<Survivors> {
  return await readSurvivors(session, survivorsSql(table, range, secret), scale);
}
