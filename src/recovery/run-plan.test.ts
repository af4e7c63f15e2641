import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../../test/support/temporary-folder.ts";
import { AppError } from "../errors.ts";
import { systemClock } from "../lib/clock.ts";
import { makeRuntime, silentReporter } from "../lib/runtime.ts";
import { takeSoleProcess } from "../lib/sole-process.ts";
import { journalPath } from "./journal.ts";
import { BEGUN_AT, type Outputs, type Plan, type Step } from "./plan.ts";
import { goBack, runPlan, type RunRequest } from "./run-plan.ts";

const never = new AbortController().signal;

interface World {
  readonly log: string[];
  /** What the steps have made, as a disk would hold it. */
  readonly made: Set<string>;
}

const newWorld = (): World => ({ log: [], made: new Set() });

/** Three steps, of which the second asks and can be undone; `pass` is called before, within and after each, and at each check. */
function planOf({ log, made }: World, pass: (moment: string) => void = () => {}, to = "a"): Plan {
  const step = (id: string, at: number): Step => ({
    id,
    title: id,
    runs: id,
    checkedBy: "looking",
    budgetMs: 1000,
    ifItFails: "look",
    confirm: id === "two" ? { what: "do two", name: "data" } : null,
    run: async (outputs: Outputs) => {
      await Promise.resolve();
      pass(`before ${id}`);
      log.push(
        `${id} after ${Object.keys(outputs)
          .filter((name) => name !== BEGUN_AT)
          .join()}`,
      );
      made.add(id);
      pass(`after ${id}`);
      return { [id]: at };
    },
    check: async () => {
      await Promise.resolve();
      pass(`check ${id}`);
      if (!made.has(id)) throw new AppError("rows_differ", `${id} is not there`);
    },
    ...(id === "two" && {
      back: async () => {
        await Promise.resolve();
        pass(`back ${id}`);
        made.delete(id);
        return true;
      },
    }),
  });
  return {
    scenario: "server-lost",
    databases: ["data"],
    budgetMs: 3000,
    aim: { to },
    touches: [],
    steps: ["one", "two", "three"].map(step),
  };
}

/** A step that cannot begin, for a reason that people can mend. */
function failingBefore(step: string): (moment: string) => void {
  return (moment) => {
    if (moment === `before ${step}`) throw new AppError("application_failed", "it does not answer");
  };
}

/** Throws what no step would, at the n-th call: as far as the plan can tell the process ends there. */
function endingAt(moment: number): (moment: string) => void {
  let count = 0;
  return () => {
    if (count++ === moment) throw new Killed();
  };
}

class Killed extends Error {}

interface Asked extends RunRequest {
  readonly asked: string[];
}

function requestFor(path: string, more: Partial<RunRequest> = {}): Asked {
  const asked: string[] = [];
  const confirm = async ({ what }: { what: string }): Promise<void> => {
    await Promise.resolve();
    asked.push(what);
  };
  return { path, restart: false, confirm, asked, ...more };
}

test("a recovery whose process ended at any moment goes on: no step that was written down runs again, nobody is asked again", async () => {
  for (let moment = 0; ; moment++) {
    await using folder = await temporaryFolder();
    const path = join(folder.path, "state", "journal.json");
    const world = newWorld();
    const first = requestFor(path);
    let count = 0;
    const observer = (): void => {
      if (count++ === moment) throw new Killed();
    };
    const ended = await runPlan(makeRuntime({ observer }), planOf(world), first, never).then(
      ({ failed }) => failed?.error,
      (error: unknown) => error,
    );
    if (ended === undefined || ended === null) {
      expect(moment).toBeGreaterThan(10);
      break;
    }
    const second = requestFor(path);
    const { steps, failed, outputs } = await runPlan(makeRuntime(), planOf(world), second, never);
    expect(failed).toBeNull();
    expect(steps.map(({ id, outcome }) => `${id} ${outcome}`)).toEqual([
      "one done",
      "two done",
      "three done",
    ]);
    expect(outputs).toMatchObject({ one: 0, two: 1, three: 2 });
    expect([...new Set(world.log)]).toEqual(["one after ", "two after one", "three after one,two"]);
    expect(world.log.length).toBeLessThanOrEqual(4);
    expect([...first.asked, ...second.asked].length).toBeLessThanOrEqual(2);
  }
});

test("a step that fails is told with those after it, and the same call goes on with it", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "journal.json");
  const world = newWorld();
  const failing = planOf(world, failingBefore("three"));
  const { steps, failed } = await runPlan(makeRuntime(), failing, requestFor(path), never);
  expect(failed?.error.message).toBe("it does not answer");
  expect(steps.map(({ outcome }) => outcome)).toEqual(["done", "done", "failed"]);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  const again = await runPlan(makeRuntime(), planOf(world), requestFor(path), never);
  expect(again).toMatchObject({ failed: null, resumed: true });
  expect(world.log).toEqual(["one after ", "two after one", "three after one,two"]);
});

test("what was done before a crash and is no longer so is done again", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "journal.json");
  const world = newWorld();
  const failing = planOf(world, failingBefore("three"));
  await runPlan(makeRuntime(), failing, requestFor(path), never);
  world.made.delete("one");
  const request = requestFor(path);
  const { failed } = await runPlan(makeRuntime(), planOf(world), request, never);
  expect(failed).toBeNull();
  expect([...world.made].toSorted()).toEqual(["one", "three", "two"]);
  expect(request.asked).toEqual([]);
});

test("the way back undoes what can be undone, and forgets the recovery", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "journal.json");
  const world = newWorld();
  const failing = planOf(world, failingBefore("three"));
  await runPlan(makeRuntime(), failing, requestFor(path), never);
  await expect(goBack(makeRuntime(), planOf(world, endingAt(0)), requestFor(path), never)).rejects.toThrow(
    Killed,
  );
  expect(world.made).toContain("two");
  expect(await goBack(makeRuntime(), planOf(world), requestFor(path), never)).toEqual(["two"]);
  expect([...world.made]).toEqual(["one"]);
  await expect(goBack(makeRuntime(), planOf(world), requestFor(path), never)).rejects.toThrow(
    "no recovery is under way",
  );
});

test("who does not agree stops it before the step", async () => {
  await using folder = await temporaryFolder();
  const world = newWorld();
  const confirm = async (): Promise<void> => await Promise.reject(new AppError("not_confirmed", "no"));
  const request = requestFor(join(folder.path, "journal.json"), { confirm });
  await expect(runPlan(makeRuntime(), planOf(world), request, never)).rejects.toMatchObject({
    code: "not_confirmed",
  });
  expect([...world.made]).toEqual(["one"]);
});

test("a recovery to elsewhere does not go on with one that was begun, unless it is to begin anew", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "journal.json");
  const world = newWorld();
  const failing = planOf(world, failingBefore("two"));
  await runPlan(makeRuntime(), failing, requestFor(path), never);
  const before = await readFile(path, "utf8");
  const other = newWorld();
  const elsewhere = planOf(other, undefined, "b");
  await expect(runPlan(makeRuntime(), elsewhere, requestFor(path), never)).rejects.toMatchObject({
    code: "usage",
  });
  expect(other.log).toEqual([]);
  expect(await readFile(path, "utf8")).toBe(before);
  const { failed } = await runPlan(makeRuntime(), elsewhere, requestFor(path, { restart: true }), never);
  expect(failed).toBeNull();
});

test("a journal that is damaged is told, and nothing runs", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "journal.json");
  await writeFile(path, '{"format":1,');
  const world = newWorld();
  await expect(runPlan(makeRuntime(), planOf(world), requestFor(path), never)).rejects.toMatchObject({
    code: "usage",
  });
  expect(world.log).toEqual([]);
  expect(await readFile(path, "utf8")).toBe('{"format":1,');
});

test("two processes do not run one plan", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "journal.json");
  const world = newWorld();
  {
    using other = await takeSoleProcess(`${path}.lock`);
    expect(other).not.toBeNull();
    await expect(runPlan(makeRuntime(), planOf(world), requestFor(path), never)).rejects.toThrow(
      "another process",
    );
  }
  expect(world.log).toEqual([]);
  await runPlan(makeRuntime(), planOf(world), requestFor(path), never);
});

test("one that is complete is told again, with the time it took; a day later somebody is asked anew", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "journal.json");
  const world = newWorld();
  let now = new Date("2024-12-10T03:00:00Z");
  const warnings: string[] = [];
  const runtime = makeRuntime({
    clock: { ...systemClock, now: () => now },
    reporter: { ...silentReporter, warn: (text) => void warnings.push(text) },
  });
  const first = requestFor(path);
  const done = await runPlan(runtime, planOf(world), first, never);
  now = new Date("2024-12-10T03:30:00Z");
  const again = await runPlan(runtime, planOf(world), requestFor(path), never);
  expect(again).toEqual({ ...done, resumed: true });
  expect(world.log).toHaveLength(3);
  expect(warnings).toEqual([]);
  // The next disaster.
  now = new Date("2024-12-12T03:00:00Z");
  world.made.clear();
  const late = requestFor(path);
  await runPlan(runtime, planOf(world), late, never);
  expect(first.asked).toEqual(["do two"]);
  expect(late.asked).toEqual(["do two"]);
  expect(warnings[0]).toContain("`--restart`");
});

test("the journal of long names has a name that file systems take", () => {
  const runtime = makeRuntime({ env: { HOME: "/home/ada" } });
  const databases = ["ä".repeat(40), "/../".repeat(10)];
  const path = journalPath(runtime, "/etc/handled.yaml", { scenario: "together", databases });
  expect(path).toMatch(
    /^\/home\/ada\/.local\/state\/handled\/recoveries\/[0-9a-f]{16}\/together-[0-9a-f]{16}\.json$/,
  );
});
