import { mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { manualClock } from "../../test/support/manual-clock.ts";
import { noAbort, type TestRuntime, testRuntime } from "../../test/support/runtime.ts";
import { type TemporaryFolder, temporaryFolder } from "../../test/support/temporary-folder.ts";
import { type History, type HistoryRequest, readHistory } from "./history.ts";
import { memoryStorage } from "../storage/memory.ts";
import type { Storage } from "../storage/storage.ts";
import { runFile } from "../../test/support/run-file.ts";
import { describeHolder } from "../repository/holder.ts";
import { begunKey, runKey, runsFolder } from "../repository/layout.ts";
import { acquireLease } from "../repository/lease.ts";
import type { Holder } from "../repository/manifest.ts";
import { openOrCreateRepository, type Repository } from "../repository/repository.ts";
import { RUN_OPERATIONS, RUN_OUTCOMES, type RunFile } from "../repository/run-file.ts";
import { foldMonths, recordBegun, recordEnded } from "../repository/runs.ts";

const signal = noAbort();
const START = new Date("2024-10-29T22:00:00.000Z");
const DAY = 86_400_000;

let holder: Holder;
let scratch: TemporaryFolder;
beforeAll(async () => {
  holder = await describeHolder("backup");
  scratch = await temporaryFolder();
});
afterAll(async () => await scratch[Symbol.asyncDispose]());

let folders = 0;
/** A cache folder that is there and empty. */
async function freshCache(): Promise<string> {
  const path = join(scratch.path, `cache-${(folders += 1)}`);
  await mkdir(path);
  return path;
}

interface World {
  readonly cache: string;
  readonly runtime: TestRuntime;
  readonly clock: ReturnType<typeof manualClock>;
  readonly places: readonly Repository[];
}

async function freshWorld(count = 1): Promise<World> {
  const clock = manualClock(START);
  const cache = await freshCache();
  const runtime = testRuntime({ clock, env: { XDG_CACHE_HOME: cache } });
  const places: Repository[] = [];
  for (let n = 0; n < count; n++) places.push(await openOrCreateRepository(runtime, memoryStorage(), signal));
  return { cache, runtime, clock, places };
}

const runNow = ({ clock }: World, parts: Partial<RunFile> = {}): RunFile => runFile(clock, holder, parts);

const storagesOf = ({ places }: World): Storage[] => places.map(({ storage }) => storage);

type Asked = Partial<HistoryRequest>;

async function history(world: World, asked: Asked = {}, env = world.runtime.env): Promise<History> {
  const request = { database: "data", storages: storagesOf(world), last: 20, since: undefined, ...asked };
  return await readHistory({ ...world.runtime, env }, request, signal);
}

/** The same of the repositories alone: without a cache folder there is no index. */
const withoutIndex = async (world: World, asked: Asked = {}): Promise<History> =>
  await history(world, asked, {});

async function record(world: World, days: number): Promise<void> {
  for (let run = 0; run < days; run++) {
    const outcome = run % 5 === 0 ? "failed" : "done";
    for (const place of world.places) await recordEnded(place, runNow(world, { outcome }), signal);
    await world.clock.advance(DAY);
  }
}

async function fold(world: World, place: Repository): Promise<void> {
  await using lease = await acquireLease(world.runtime, place, "data", "prune", signal);
  await foldMonths(world.runtime, place, "data", lease, signal);
}

const indexFile = async ({ cache }: World): Promise<string> => {
  const folder = join(cache, "handled/history");
  const [name = ""] = (await readdir(folder)).filter((each) => each.endsWith(".sqlite"));
  return join(folder, name);
};

/** How often records are read from a place. */
function counting(place: Repository): { storage: Storage; reads: () => number } {
  let reads = 0;
  const storage = new Proxy(place.storage, {
    get: (target, name: keyof Storage) => {
      const value: unknown = target[name];
      if (name === "getMany")
        return async (keys: readonly string[], until: AbortSignal) => {
          reads += keys.length;
          return await target.getMany(keys, until);
        };
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  return { storage, reads: () => reads };
}

const step = fc.oneof(
  fc.record({
    act: fc.constant("run" as const),
    place: fc.integer({ min: -1, max: 1 }),
    operation: fc.constantFrom(...RUN_OPERATIONS),
    outcome: fc.constantFrom(...RUN_OUTCOMES),
    days: fc.integer({ min: 0, max: 20 }),
  }),
  fc.record({
    act: fc.constant("begin" as const),
    place: fc.integer({ min: 0, max: 1 }),
    alsoEnd: fc.boolean(),
  }),
  fc.record({ act: fc.constant("fold" as const), place: fc.integer({ min: 0, max: 1 }) }),
  fc.record({ act: fc.constant("delete" as const), place: fc.integer({ min: 0, max: 1 }), which: fc.nat() }),
  fc.record({
    act: fc.constant("twice" as const),
    which: fc.nat(),
    outcome: fc.constantFrom(...RUN_OUTCOMES),
  }),
  fc.record({
    act: fc.constant("look" as const),
    last: fc.integer({ min: 1, max: 6 }),
    operation: fc.option(fc.constantFrom(...RUN_OPERATIONS), { nil: undefined }),
    failed: fc.boolean(),
    daysAgo: fc.option(fc.integer({ min: 0, max: 60 }), { nil: undefined }),
    rebuild: fc.boolean(),
  }),
);

test("whatever ran, was folded up or went away, in two places, the index says what the repositories say", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 25 }), async (steps) => {
      const world = await freshWorld(2);
      const some = (place: number): Repository[] =>
        place < 0 ? [...world.places] : world.places.slice(place, place + 1);
      const runs: RunFile[] = [];
      // A name is used once, unless somebody takes folded months away and a run is recorded once more.
      let twice = false;
      let deleted = false;
      for (const one of [...steps, { act: "look", last: 3, failed: false } as const]) {
        if (one.act === "run") {
          const run = runNow(world, { operation: one.operation, outcome: one.outcome });
          runs.push(run);
          for (const place of some(one.place)) await recordEnded(place, run, signal);
          await world.clock.advance(one.days * DAY + 1);
        } else if (one.act === "begin") {
          const run = runNow(world, { outcome: null, finishedAt: null });
          for (const place of some(one.place)) await recordBegun(place, run, signal);
          // The end is recorded in the other place alone.
          if (one.alsoEnd)
            for (const place of some(1 - one.place))
              await recordEnded(place, { ...run, outcome: "done" }, signal);
          await world.clock.advance(1);
        } else if (one.act === "fold") {
          for (const place of some(one.place)) await fold(world, place);
        } else if (one.act === "delete") {
          deleted = true;
          for (const { storage } of some(one.place)) {
            const all = (await storage.keys(runsFolder("data"), "all", signal)).toSorted();
            const keys = twice ? all.filter((key) => key.includes("begun")) : all;
            const key = keys[one.which % Math.max(1, keys.length)];
            if (key !== undefined) await storage.delete(key, signal);
          }
        } else if (one.act === "twice") {
          // As if its end had been recorded once more after the month was folded.
          const run = deleted ? undefined : runs[one.which % Math.max(1, runs.length)];
          twice = true;
          if (run !== undefined)
            await recordEnded(world.places[0] as Repository, { ...run, outcome: one.outcome }, signal);
        } else {
          const { act: _, daysAgo, ...asked } = { daysAgo: undefined, ...one };
          const since =
            daysAgo === undefined ? undefined : new Date(world.clock.now().getTime() - daysAgo * DAY);
          const found = await history(world, { ...asked, since });
          expect(found).toEqual(await withoutIndex(world, { ...asked, since }));
        }
      }
      expect(world.runtime.notes.filter((note) => note.includes("is not used: "))).toEqual([]);
    }),
    { numRuns: 40 },
  );
});

test("read is only what is new, and nothing of months that are folded and known", async () => {
  const world = await freshWorld();
  await record(world, 70);
  for (const place of world.places) await fold(world, place);
  await history(world, { failed: true });
  const counted = counting(world.places[0] as Repository);
  await recordEnded(world.places[0] as Repository, runNow(world), signal);
  const found = await history(world, { failed: true, storages: [counted.storage] });
  expect(found.runs).toHaveLength(14);
  expect(counted.reads()).toBe(1);
  const mode = (await stat(await indexFile(world))).mode & 0o777;
  expect(mode).toBe(0o600);
});

describe("an index that cannot be trusted", () => {
  const spoil: Record<string, (path: string) => Promise<void> | void> = {
    "is no database": async (path) => await writeFile(path, "no database"),
    "is cut short": async (path) => await writeFile(path, (await readFile(path)).subarray(0, 5000)),
    "is empty": async (path) => await writeFile(path, ""),
    "is of another version": (path) => sql(path, "pragma user_version = 99"),
    "has lost rows": (path) => sql(path, "delete from records where record like '%2024-11-%'"),
    "has lost a table": (path) => sql(path, "drop table objects"),
    "has changed records": (path) =>
      sql(path, `update records set record = replace(record, '"done"', '"dome"')`),
    "has other outcomes": (path) => sql(path, "update objects set other = replace(other, 'failed', 'done')"),
    "has lost what failed": (path) => sql(path, "update objects set other = ''"),
    "has another month": (path) => sql(path, "update objects set month = '2023-11'"),
    "has rows of another": (path) =>
      sql(
        path,
        "update records set object = -object; update records set object = (select max(id) from objects) + 1 + object",
      ),
    "is a folder": async (path) => {
      await rm(path);
      await mkdir(path);
    },
  };
  function sql(path: string, text: string): void {
    using db = new DatabaseSync(path);
    db.exec(text);
  }

  test.each(Object.keys(spoil))("%s: the history is the same", async (how) => {
    const world = await freshWorld();
    await record(world, 40);
    await history(world, { rebuild: true });
    await spoil[how]?.(await indexFile(world));
    for (const asked of [{ failed: true }, {}, { last: 100 }])
      expect(await history(world, asked)).toEqual(await withoutIndex(world, asked));
    const noted = world.runtime.notes.some((note) => note.includes("the repository is read instead"));
    // A folder alone may hold somebody else's files, and is not taken away.
    expect(noted, world.runtime.notes.join()).toBe(how === "is a folder");
  });

  test("whatever byte of it changes, the history is the same", async () => {
    const world = await freshWorld();
    await record(world, 8);
    const sound = await history(world, { rebuild: true });
    const path = await indexFile(world);
    const bytes = await readFile(path);
    await fc.assert(
      fc.asyncProperty(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), async (at, bits) => {
        const spoilt = Buffer.from(bytes);
        spoilt[at] = (spoilt[at] ?? 0) ^ bits;
        await writeFile(path, spoilt);
        expect(await history(world)).toEqual(sound);
        expect((await history(world, { failed: true })).runs).toEqual(
          sound.runs.filter(({ outcome }) => outcome === "failed"),
        );
      }),
      { numRuns: 60 },
    );
  });

  test("locked by another program: the repository is read, and that is noted", async () => {
    const world = await freshWorld();
    await record(world, 3);
    await history(world);
    using other = new DatabaseSync(await indexFile(world));
    other.exec("begin exclusive");
    expect(await history(world)).toEqual(await withoutIndex(world));
    expect(world.runtime.notes.join()).toContain("database is locked; the repository is read instead");
  });

  test("no folder for it: the repository is read, and that is noted where somebody asks for the index", async () => {
    const world = await freshWorld();
    await record(world, 3);
    const away = { XDG_CACHE_HOME: join(world.cache, "a/b/c") };
    expect(await history(world, {}, away)).toEqual(await withoutIndex(world));
    expect(world.runtime.notes.join()).not.toContain("is not used");
    await history(world, { rebuild: true }, away);
    expect(world.runtime.notes.join()).toContain("is not used: ENOENT");
    await writeFile(join(world.cache, "handled"), "a file");
    expect(await history(world)).toEqual(await withoutIndex(world));
  });
});

test("a record that cannot be read is told each time, and does not hide the others", async () => {
  const world = await freshWorld();
  await record(world, 3);
  const [place] = world.places as [Repository];
  const broken = runNow(world);
  await place.storage.put(runKey("data", broken.id), Buffer.from("no record"), signal);
  for (let times = 1; times <= 2; times++) {
    expect((await history(world)).runs).toHaveLength(3);
    expect(world.runtime.warnings.filter((warning) => warning.includes(broken.id))).toHaveLength(times);
  }
  await place.storage.put(runKey("data", broken.id), Buffer.from(JSON.stringify(broken)), signal);
  expect((await history(world)).runs).toHaveLength(4);
  await recordBegun(place, { ...broken, outcome: null, finishedAt: null }, signal);
  expect((await history(world)).runs[0]).toEqual(broken);
  await place.storage.delete(begunKey("data", broken.id), signal);
});

test("page after page, each run comes once, with the index and without", async () => {
  const world = await freshWorld(2);
  await record(world, 70);
  await fold(world, world.places[0] as Repository);
  await recordBegun(world.places[0] as Repository, runNow(world, { outcome: null }), signal);
  const all = await history(world, { last: 200 });
  expect(all.runs).toHaveLength(141);
  for (const look of [history, withoutIndex]) {
    const seen: RunFile[] = [];
    for (let more = true; more; ) {
      const page = await look(world, { last: 9, before: seen.at(-1)?.id });
      seen.push(...page.runs);
      ({ more } = page);
    }
    expect(seen).toEqual(all.runs);
  }
});
