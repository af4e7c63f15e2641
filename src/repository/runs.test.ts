import { describe, expect, test } from "vitest";
import { faulty } from "../../test/support/faulty-storage.ts";
import { manualClock } from "../../test/support/manual-clock.ts";
import { noAbort, type TestRuntime, testRuntime } from "../../test/support/runtime.ts";
import { AppError } from "../errors.ts";
import { memoryStorage } from "../storage/memory.ts";
import { runFile } from "../../test/support/run-file.ts";
import { describeHolder } from "./holder.ts";
import { begunKey, monthFolder, runKey } from "./layout.ts";
import { acquireLease, type Lease } from "./lease.ts";
import { openOrCreateRepository, type Repository } from "./repository.ts";
import type { RunFile } from "./run-file.ts";
import {
  foldMonths,
  monthsOfRuns,
  readBegun,
  readMonth,
  recordBegun,
  recordEnded,
  recordInterrupted,
} from "./runs.ts";

const DAY = 86_400_000;
const START = new Date("2024-11-29T22:00:00.000Z");

async function fresh(): Promise<{
  runtime: TestRuntime;
  clock: ReturnType<typeof manualClock>;
  repository: Repository;
}> {
  const clock = manualClock(START);
  const runtime = testRuntime({ clock });
  return { runtime, clock, repository: await openOrCreateRepository(runtime, memoryStorage(), noAbort()) };
}

async function runNow(runtime: TestRuntime, parts: Partial<RunFile> = {}): Promise<RunFile> {
  return runFile(runtime.clock, await describeHolder("backup"), parts);
}

/** Three runs a day over some days, ended; their ids in order. */
async function recordDays(
  { runtime, clock, repository }: Awaited<ReturnType<typeof fresh>>,
  days: number,
): Promise<string[]> {
  const ids: string[] = [];
  for (let run = 0; run < days * 3; run++) {
    const ended = await runNow(runtime);
    await recordEnded(repository, ended, noAbort());
    ids.push(ended.id);
    await clock.advance(DAY / 3);
  }
  return ids;
}

async function allIds(runtime: TestRuntime, repository: Repository): Promise<string[]> {
  const ids: string[] = [];
  for (const month of (await monthsOfRuns(repository, "data", noAbort())).toReversed())
    for (const { id } of await readMonth(runtime, repository, { database: "data", month }, noAbort()))
      ids.push(id);
  return ids;
}

async function lease(runtime: TestRuntime, repository: Repository): Promise<Lease> {
  return await acquireLease(runtime, repository, "data", "prune", noAbort());
}

const keysOf = async ({ storage }: Repository, month: string): Promise<string[]> =>
  await storage.keys(monthFolder("data", month), "here", noAbort());

describe("folding months", () => {
  test("a month that is over becomes one file, the present one stays; what is read is the same", async () => {
    const made = await fresh();
    const { runtime, repository } = made;
    const ids = await recordDays(made, 4);
    await using held = await lease(runtime, repository);
    await foldMonths(runtime, repository, "data", held, noAbort());
    expect(await keysOf(repository, "2024-11")).toHaveLength(1);
    expect((await keysOf(repository, "2024-12")).length).toBeGreaterThan(1);
    expect(await allIds(runtime, repository)).toEqual(ids);
  });

  test("what is recorded late of a month that was folded is read, and folded into it", async () => {
    const made = await fresh();
    const { runtime, repository } = made;
    const late = await runNow(runtime);
    const ids = await recordDays(made, 4);
    await using held = await lease(runtime, repository);
    await foldMonths(runtime, repository, "data", held, noAbort());
    await recordEnded(repository, late, noAbort());
    expect(new Set(await allIds(runtime, repository))).toEqual(new Set([late.id, ...ids]));
    await foldMonths(runtime, repository, "data", held, noAbort());
    expect(await keysOf(repository, "2024-11")).toHaveLength(1);
    expect(new Set(await allIds(runtime, repository))).toEqual(new Set([late.id, ...ids]));
  });

  test("cut off at any moment, every run is still recorded once, and the next folding goes on", async () => {
    for (let moment = 1, reached = true; reached; moment++) {
      const made = await fresh();
      const { runtime, repository } = made;
      const ids = await recordDays(made, 2);
      await made.clock.advance(DAY);
      await using held = await lease(runtime, repository);
      reached = false;
      const storage = faulty(repository.storage, {
        at: ({ number }) => {
          if (number < moment) return undefined;
          reached = true;
          return new AppError("interrupted", "cut off");
        },
      });
      const folding = foldMonths(runtime, { ...repository, storage }, "data", held, noAbort());
      if (reached) await expect(folding).rejects.toThrow("cut off");
      else await folding.catch(() => undefined);
      expect(await allIds(runtime, repository), `cut off at moment ${moment}`).toEqual(ids);
      await foldMonths(runtime, repository, "data", held, noAbort());
      expect(await keysOf(repository, "2024-11")).toHaveLength(1);
      expect(await allIds(runtime, repository)).toEqual(ids);
    }
  });

  test.each(["a record", "the folded file"])(
    "%s that cannot be read keeps its month as it is",
    async (what) => {
      const made = await fresh();
      const { runtime, repository } = made;
      const ids = await recordDays(made, 2);
      await made.clock.advance(DAY);
      await using held = await lease(runtime, repository);
      if (what === "the folded file") await foldMonths(runtime, repository, "data", held, noAbort());
      const [broken = ""] = await keysOf(repository, "2024-11");
      await repository.storage.put(broken, Buffer.from("no record"), noAbort());
      const late = await runNow(runtime, { id: ids[0]?.replace(/.{8}$/, "ffffffff") ?? "" });
      await recordEnded(repository, late, noAbort());
      const before = await keysOf(repository, "2024-11");
      await foldMonths(runtime, repository, "data", held, noAbort());
      expect(await keysOf(repository, "2024-11")).toEqual(before);
      expect(runtime.warnings.join("\n")).toContain(broken);
    },
  );
});

describe("a run that has begun", () => {
  test("is known until it has ended", async () => {
    const { runtime, repository } = await fresh();
    const run = await runNow(runtime, { outcome: null, finishedAt: null });
    await recordBegun(repository, run, noAbort());
    expect(await readBegun(runtime, repository, "data", noAbort())).toEqual([run]);
    await recordEnded(repository, { ...run, outcome: "done" }, noAbort());
    expect(await readBegun(runtime, repository, "data", noAbort())).toEqual([]);
  });

  test("of a process that is gone was interrupted; of one that lives, or of another machine, nobody says so", async () => {
    const { runtime, repository } = await fresh();
    const open = { outcome: null, finishedAt: null };
    const living = await runNow(runtime, open);
    const gone = await runNow(runtime, { ...open, by: { ...living.by, processStart: "1" } });
    const elsewhere = await runNow(runtime, { ...open, by: { ...gone.by, bootId: "another" } });
    for (const run of [living, gone, elsewhere]) await recordBegun(repository, run, noAbort());
    const found = await recordInterrupted(runtime, repository, "data", noAbort());
    expect(found.map(({ id }) => id)).toEqual([gone.id]);
    const left = await readBegun(runtime, repository, "data", noAbort());
    expect(new Set(left.map(({ id }) => id))).toEqual(new Set([living.id, elsewhere.id]));
    const month = await readMonth(runtime, repository, { database: "data", month: "2024-11" }, noAbort());
    expect(month).toMatchObject([{ id: gone.id, outcome: "interrupted", finishedAt: null }]);
  });

  test("whose end is recorded twice keeps the first", async () => {
    const { runtime, repository } = await fresh();
    const run = await runNow(runtime);
    await recordEnded(repository, run, noAbort());
    await recordEnded(repository, { ...run, outcome: "interrupted" }, noAbort());
    const stored = await repository.storage.get(runKey("data", run.id), noAbort());
    expect(JSON.parse(stored.toString())).toMatchObject({ outcome: "done" });
    expect(await repository.storage.stat(begunKey("data", run.id), noAbort())).toBeUndefined();
  });
});
