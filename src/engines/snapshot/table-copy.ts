import { AppError } from "../../errors.ts";
import { counted } from "../../lib/text.ts";
import { quoteName } from "../../postgres/session.ts";
import { FORMAT_VERSION, type PartName, type SnapshotTable } from "../../repository/manifest.ts";
import type { PartRange } from "../../repository/part-list-lines.ts";
import { type PartListWriter, startPartList } from "../../repository/part-lists.ts";
import type { Repository } from "../../repository/repository.ts";
import { addRows } from "./copy-ranges.ts";
import {
  type Baseline,
  type MatchedRange,
  matchRanges,
  openEarlier,
  reasonNeverToReuse,
} from "./earlier-ranges.ts";
import { isSampled, Pick, type ReuseClock, shouldAsk } from "./reuse-policy.ts";
import { ZERO_DIGEST } from "./row-digest.ts";
import { copyOutSql, selectSql, type SourceTable } from "./tables.ts";
import { identitySql } from "./tuple-identity.ts";
import type { TypeSignature } from "./type-signature.ts";
import type { CopyJob, CopyOutcome, RangeOutcome, RangeTask, RowsRead } from "./worker-messages.ts";

/** What all tables of one run share. */
export interface CopyContext {
  readonly repository: Repository;
  readonly database: string;
  /** Null: everything is read. */
  readonly baseline: Baseline | null;
  /** Whether a part that the baseline names is damaged or not in the repository any more. */
  readonly isLost: (part: PartName) => boolean;
  readonly signatures: ReadonlyMap<number, TypeSignature>;
  readonly clock: ReuseClock;
  /** See `SnapshotBaseline`. */
  readonly secret: number;
  /** Numbers jobs, across tables. */
  readonly nextJob: () => number;
  readonly signal: AbortSignal;
}

/** A reused range that is to be read to see whether it is what is stored. */
export interface Sample {
  readonly job: CopyJob;
  readonly expected: RowsRead;
}

// Ranges that are asked about at once: some 64 MiB of heap. `docs/design/snapshot-engine.md`, granularity.
const GROUP_RANGES = 16;
const NOTHING: RowsRead = { rows: 0, bytes: 0, digest: ZERO_DIGEST };

/** The copying of one table: makes the jobs, takes what came of them, and writes the part list as far as it is known. */
export class TableCopy {
  readonly #context: CopyContext;
  readonly #table: SourceTable;
  /** Jobs under way, by id: their place in the table, and their ranges. */
  readonly #open = new Map<number, { place: number; ranges: readonly MatchedRange[] }>();
  /** Lines that wait for those before them. */
  readonly #waiting = new Map<number, readonly PartRange[]>();
  #jobs: number | undefined;
  #written = 0;
  #writing: Promise<void> = Promise.resolve();
  #list: PartListWriter | undefined;
  #total = NOTHING;
  #partBytes = 0;
  readonly #read = { parts: 0, bytes: 0 };
  readonly #reused = { parts: 0, bytes: 0 };
  #note: string | null = null;
  #unfit: string | null = null;
  #lost = 0;
  readonly samples: Sample[] = [];
  readonly #unsampled = new Pick<Sample>();
  #line: SnapshotTable | undefined;

  constructor(context: CopyContext, table: SourceTable) {
    this.#context = context;
    this.#table = table;
  }

  /** The manifest's line, once every job has come back. */
  get line(): SnapshotTable | undefined {
    return this.#line;
  }

  /** Size as stored of the parts written down so far. */
  get partBytes(): number {
    return this.#partBytes;
  }

  /** The jobs, in the order of the blocks. The earlier part list is read along with them. */
  async *jobs(): AsyncGenerator<CopyJob> {
    const { repository, database, baseline, signatures, signal } = this.#context;
    const table = this.#table;
    const { schema, name } = table;
    const signature = signatures.get(table.oid);
    const never = reasonNeverToReuse(table, signature);
    this.#note = never ?? null;
    const earlier =
      baseline === null
        ? undefined
        : await openEarlier(
            repository,
            database,
            table,
            signature,
            baseline.tables.get(quoteName(schema, name)),
            signal,
          );
    if (earlier !== undefined && "reason" in earlier) this.#note = earlier.reason;
    const known = earlier !== undefined && "list" in earlier ? earlier : undefined;
    const rangeBlocks = known?.rangeBlocks ?? table.rangeBlocks;
    this.#list = startPartList(
      repository,
      database,
      { format: FORMAT_VERSION, schema, name, columns: [...table.columns], copy: table.copyIn, rangeBlocks },
      signal,
    );
    const size = known === undefined ? 1 : GROUP_RANGES;
    let ranges: MatchedRange[] = [];
    let place = 0;
    for await (const matched of matchRanges(table.blocks, rangeBlocks, known?.list.ranges)) {
      ranges.push(this.#withoutLost(matched));
      const last = matched.range.to === null;
      if (ranges.length < size && !last) continue;
      if (last) this.#jobs = place + 1;
      yield this.#makeJob(ranges, place, never === undefined);
      ranges = [];
      place += 1;
    }
  }

  /** What is not there cannot be reused, however its rows are: the range is read, and what is missing is stored again. */
  #withoutLost(matched: MatchedRange): MatchedRange {
    const { range, earlier } = matched;
    if (earlier?.parts.some(({ name }) => this.#context.isLost(name)) !== true) return matched;
    this.#lost += 1;
    return { range, earlier: undefined };
  }

  #makeJob(ranges: readonly MatchedRange[], place: number, comparable: boolean): CopyJob {
    const table = this.#table;
    const id = this.#context.nextJob();
    const tasks = ranges.map((matched) => this.#makeTask(matched, place));
    this.#open.set(id, {
      place,
      ranges: ranges.map(({ range, earlier }, index) => ({
        range,
        earlier: tasks[index]?.earlier === null ? undefined : earlier,
      })),
    });
    const first = ranges[0]?.range ?? { from: 0, to: null };
    const all = { from: first.from, to: ranges.at(-1)?.range.to ?? null };
    return {
      id,
      table: { schema: table.schema, name: table.name },
      ranges: tasks,
      ask: comparable
        ? { identitySql: identitySql(table, all, this.#context.secret), selectSql: selectSql(table, first) }
        : null,
      sample: false,
    };
  }

  #makeTask({ range, earlier }: MatchedRange, group: number): RangeTask {
    const asked =
      earlier !== undefined && shouldAsk(earlier, group, this.#context.clock) ? earlier : undefined;
    return {
      copySql: copyOutSql(this.#table, range),
      identitySql: identitySql(this.#table, range, this.#context.secret),
      earlier: asked === undefined ? null : { rows: asked.rows, hash: asked.identity?.hash ?? null },
    };
  }

  /** Takes what came of a job. When it was the last one, the part list is durable when this returns. */
  async take(job: CopyJob, outcome: CopyOutcome): Promise<void> {
    const open = this.#open.get(job.id);
    if (open === undefined) throw new AppError("unexpected", `copy ${this.#name}: an unknown job came back`);
    this.#open.delete(job.id);
    this.#unfit ??= outcome.unfit;
    const lines = open.ranges.map((matched, index) => {
      const range = outcome.ranges[index];
      if (range === undefined) throw new AppError("unexpected", `copy ${this.#name}: a range is missing`);
      return this.#lineOf(matched, range, job.ranges[index]);
    });
    this.#waiting.set(open.place, lines);
    this.#writing = this.#writing.then(() => this.#write());
    await this.#writing;
  }

  #lineOf({ range, earlier }: MatchedRange, outcome: RangeOutcome, task: RangeTask | undefined): PartRange {
    if (outcome.kind === "read") {
      const { generation, now } = this.#context.clock;
      const parts = outcome.parts.map(({ line }) => line);
      this.#read.parts += parts.length;
      this.#read.bytes += parts.reduce((sum, part) => sum + part.bytes, 0);
      const rows = parts.reduce((sum, part) => sum + part.rows, 0);
      return {
        ...range,
        rows,
        parts,
        identity: { hash: outcome.hash, generation, readAt: now.toISOString() },
      };
    }
    if (outcome.kind !== "same" || earlier?.identity == null || task === undefined)
      throw new AppError("unexpected", `copy ${this.#name}: a range came back that nothing was known of`);
    this.#reused.parts += earlier.parts.length;
    const expected = earlier.parts.reduce<RowsRead>(addRows, NOTHING);
    this.#reused.bytes += expected.bytes;
    if (earlier.rows > 0) this.#maySample(earlier, task, expected);
    return {
      ...earlier,
      ...range,
      identity: { ...earlier.identity, hash: earlier.identity.hash ?? outcome.hash },
    };
  }

  #maySample(range: PartRange, task: RangeTask, expected: RowsRead): void {
    const { schema, name } = this.#table;
    const job = {
      id: this.#context.nextJob(),
      table: { schema, name },
      ranges: [task],
      ask: null,
      sample: true,
    };
    if (isSampled(range, this.#context.clock)) this.samples.push({ job, expected });
    else this.#unsampled.add({ job, expected });
  }

  /** Writes the lines that can be written, in the order of the blocks. */
  async #write(): Promise<void> {
    for (;;) {
      const lines = this.#waiting.get(this.#written);
      if (lines === undefined) break;
      this.#waiting.delete(this.#written);
      this.#written += 1;
      for (const line of lines) {
        for (const part of line.parts) {
          this.#total = addRows(this.#total, part);
          this.#partBytes += part.size;
        }
        await this.#list?.add(line);
      }
    }
    if (this.#written === this.#jobs) await this.#finish();
  }

  async #finish(): Promise<void> {
    const { schema, name, oid, file } = this.#table;
    const { baseline, signatures } = this.#context;
    const signature = signatures.get(oid);
    await using list = this.#list;
    if (list === undefined || this.#line !== undefined)
      throw new AppError("unexpected", `copy ${this.#name}: it is finished twice`);
    const earlier = baseline?.tables.get(quoteName(schema, name))?.partList ?? null;
    // At least one range of every table that reuses any.
    if (this.samples.length === 0 && this.#unsampled.kept !== undefined)
      this.samples.push(this.#unsampled.kept);
    const comparable =
      file !== null && signature !== undefined && reasonNeverToReuse(this.#table, signature) === undefined;
    this.#line = {
      schema,
      name,
      ...this.#total,
      partList: await list.finish(earlier),
      identity: comparable && this.#unfit === null ? { ...file, signature: signature.signature } : null,
      read: this.#read,
      reused: this.#reused,
      note: this.#unfit ?? this.#note ?? this.#lostNote,
    };
  }

  get #lostNote(): string | null {
    return this.#lost === 0
      ? null
      : `stored parts of ${counted(this.#lost, "range")} were missing or damaged`;
  }

  get #name(): string {
    return quoteName(this.#table.schema, this.#table.name);
  }

  /** Removes what waits to be written; for a run that failed. */
  async discard(): Promise<void> {
    if (this.#line === undefined) await this.#list?.[Symbol.asyncDispose]();
  }
}
