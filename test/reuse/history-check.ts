import { tmpdir } from "node:os";
import { PartBuilder } from "../../src/engines/snapshot/part-builder.ts";
import { readSignatures } from "../../src/engines/snapshot/type-signature.ts";
import { isAppError } from "../../src/errors.ts";
import type { ConnectionSettings } from "../../src/postgres/connection.ts";
import { connect, quoteName, type Session } from "../../src/postgres/session.ts";
import { holdSnapshot } from "../../src/postgres/snapshot.ts";
import type { SnapshotTable } from "../../src/repository/manifest.ts";
import { partListKey } from "../../src/repository/layout.ts";
import { openOrCreateRepository, type Repository } from "../../src/repository/repository.ts";
import { memoryStorage } from "../../src/storage/memory.ts";
import { noAbort, testRuntime } from "../support/runtime.ts";
import {
  compareWithTruth,
  copyInProcess,
  type Held,
  holdAsIs,
  type TableState,
  type Truths,
} from "./in-process.ts";
import type { Random } from "./random.ts";

const never = noAbort();
// Enough to find what only shows over many snapshots, and what only shows between two.
const STATES_PER_TABLE = 30;
const COMPARED = 10;
// So that whoever wants a table for himself need not wait for long.
const TABLES_PER_SNAPSHOT = 5;

/** What came of comparing. */
export interface Tally {
  snapshots: number;
  /** Snapshots that the program refused to take: a lock, or types that were altered meanwhile. */
  refused: number;
  /** Ranges with rows: taken for unchanged, and read. */
  reused: number;
  read: number;
  /** Ranges that are not what is stored for them: there must be none. */
  readonly wrong: string[];
}

export const newTally = (): Tally => ({ snapshots: 0, refused: 0, reused: 0, read: 0, wrong: [] });

/** Makes what is known of a table say what is true now, and so switches off what would find a difference. */
export type Weaken = (line: SnapshotTable, now: SnapshotTable["identity"]) => SnapshotTable;

/** How snapshots and those who change the database take turns. */
export interface Pace {
  /** Mostly waited for before a snapshot; otherwise it is taken while somebody waits to alter something. */
  settle(): Promise<void>;
  /** Called after each snapshot. */
  taken(): void;
}

/** The states that tables had, by name, oldest first. */
class History {
  readonly #states = new Map<string, TableState[]>();
  readonly #repository: Repository;
  readonly #random: Random;

  constructor(repository: Repository, random: Random) {
    this.#repository = repository;
    this.#random = random;
  }

  /** Some to build on: the newest, and some of long ago; now and then none, so that there are ranges without a hash. */
  choose(name: string): (TableState | undefined)[] {
    const states = this.#states.get(name) ?? [];
    // What is recent is oftener the same.
    const any = (): number => this.#random.below(this.#random.chance(0.25) ? states.length : 6);
    const old = Array.from({ length: COMPARED - 1 }, () => states.at(-1 - any()));
    return [...new Set([states.at(-1), ...old, ...(this.#random.chance(0.2) ? [undefined] : [])])];
  }

  async add(name: string, state: TableState): Promise<void> {
    const states = this.#states.get(name) ?? [];
    this.#states.set(name, states);
    states.push(state);
    if (states.length <= STATES_PER_TABLE) return;
    const [forgotten] = states.splice(this.#random.below(states.length - 1), 1);
    const list = forgotten?.line.partList?.name;
    if (list === undefined || states.some(({ line }) => line.partList?.name === list)) return;
    await this.#repository.storage.delete(partListKey("shop", list), never);
  }
}

/**
 * Takes snapshots with the program's own code, table by table and without threads, against earlier states of each table;
 * and compares every range with what the snapshot really holds. Ends when told to, or when one is wrong.
 */
export async function checkAgainstHistory(
  settings: ConnectionSettings,
  random: Random,
  tally: Tally,
  weaken: Weaken | null,
  pace: Pace,
  signal: AbortSignal,
): Promise<void> {
  const runtime = testRuntime();
  const repository = await openOrCreateRepository(runtime, memoryStorage(), never);
  await using session = await connect(runtime, settings, never);
  await using observer = await connect(runtime, settings, never);
  await using builder = new PartBuilder(tmpdir());
  const history = new History(repository, random);
  while (!signal.aborted && tally.wrong.length === 0) {
    if (random.chance(0.8)) await pace.settle();
    if (!(await tryToHold(session, observer))) {
      tally.refused += 1;
      continue;
    }
    const held = await holdAsIs(session, builder);
    const found = await checkTables(repository, held, history, random, weaken);
    // As the program does: what types that were altered meanwhile made of the text is thrown away.
    const after = await readSignatures(
      observer,
      held.tables.map(({ oid }) => oid),
    );
    await session.query("commit");
    tally.snapshots += 1;
    pace.taken();
    for (const { oid, name, state, reused, read, wrong } of found) {
      if (held.signatures.get(oid)?.signature !== after.get(oid)?.signature) continue;
      tally.reused += reused;
      tally.read += read;
      tally.wrong.push(...wrong);
      if (state !== null) await history.add(name, state);
    }
  }
}

async function tryToHold(session: Session, observer: Session): Promise<boolean> {
  try {
    await holdSnapshot(session, observer, null, 10_000);
    return true;
  } catch (error) {
    if (!isAppError(error, "lock_timeout") && !isAppError(error, "query_failed")) throw error;
    await session.query("rollback");
    return false;
  }
}

interface Found {
  readonly oid: number;
  readonly name: string;
  /** To build on; null where nothing was read. */
  readonly state: TableState | null;
  readonly reused: number;
  readonly read: number;
  readonly wrong: readonly string[];
}

async function checkTables(
  repository: Repository,
  held: Held,
  history: History,
  random: Random,
  weaken: Weaken | null,
): Promise<Found[]> {
  const found: Found[] = [];
  const truths: Truths = new Map();
  const chosen = new Set(Array.from({ length: TABLES_PER_SNAPSHOT }, () => random.pick(held.tables)));
  for (const listed of chosen) {
    const { oid, schema, file } = listed;
    const name = quoteName(schema, listed.name);
    // Mostly as the last time; now and then ranges of another size.
    const rangeBlocks = 2 ** ((oid + (random.chance(0.1) ? 1 : 0)) % 3);
    const table = { ...listed, rangeBlocks: listed.rangeBlocks === null ? null : rangeBlocks };
    const signature = held.signatures.get(oid)?.signature ?? "";
    const now = file === null ? null : { ...file, signature };
    for (const [place, state] of history.choose(name).entries()) {
      const earlier =
        state === undefined || weaken === null ? state : { ...state, line: weaken(state.line, now) };
      // A table in another file is read whole each time, which need not be seen so often.
      const gone = earlier !== undefined && earlier.line.identity?.filenode !== file?.filenode;
      if (gone && random.chance(0.8)) continue;
      // To reading and to a state of its own only what the program would do leads, and now and then another.
      const asking = place > 0 && earlier !== undefined && random.chance(0.9);
      const generation = (earlier?.generation ?? 0) + (random.chance(0.3) ? 1 : 2);
      const copied = await copyInProcess(repository, held, table, { earlier, generation, asking });
      const { wrong, reused, read } = await compareWithTruth(repository, held, table, copied, {
        truths,
        asking,
      });
      const told = wrong.map(({ from, to }) =>
        JSON.stringify({ name, from, to, earlier, now: copied.state }),
      );
      found.push({ oid, name, state: asking ? null : copied.state, reused, read, wrong: told });
    }
  }
  return found;
}
