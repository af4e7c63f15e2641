import fc from "fast-check";
import { expect, test } from "vitest";
import type { LoadLane } from "./load-lane.ts";
import { type LoadTask, runTasks } from "./load-tasks.ts";

const LANE: LoadLane = {
  session: null,
  run: () => Promise.resolve(),
  copyIn: () => Promise.resolve(),
  restore: () => Promise.resolve(),
};
const lanes = (count: number): LoadLane[] => Array.from({ length: count }, () => ({ ...LANE }));
const nobody = (): void => {};

interface Plan {
  readonly cost: number;
  readonly needs: readonly number[];
  readonly alone: readonly string[];
  readonly shared: readonly string[];
}

/** Runs tasks that end when they are told to, in an order of the run's own making. */
function makeTasks(plans: readonly Plan[]): { tasks: LoadTask[]; running: Set<number>; begun: number[] } {
  const running = new Set<number>();
  const begun: number[] = [];
  const tasks: LoadTask[] = [];
  for (const [index, plan] of plans.entries()) {
    tasks.push({
      cost: plan.cost,
      needs: plan.needs.flatMap((need) => tasks[need] ?? []),
      alone: plan.alone,
      shared: plan.shared,
      run: async () => {
        for (const other of running) {
          const held = plans[other];
          expect(held?.alone.filter((name) => [...plan.alone, ...plan.shared].includes(name))).toEqual([]);
          expect(held?.shared.filter((name) => plan.alone.includes(name))).toEqual([]);
        }
        for (const need of plan.needs) expect(begun.includes(need) && !running.has(need)).toBe(true);
        running.add(index);
        begun.push(index);
        for (let turns = 0; turns < 1 + ((index * 7) % 5); turns += 1) await Promise.resolve();
        running.delete(index);
      },
    });
  }
  return { tasks, running, begun };
}

const names = fc.uniqueArray(fc.constantFrom("a", "b", "c", "d"), { maxLength: 3 });

test("every task runs once, after what it needs, and never beside what it must not be beside", async () => {
  const plans = fc.array(
    fc.record({
      cost: fc.nat(1000),
      needs: fc.array(fc.nat(30), { maxLength: 3 }),
      alone: names,
      shared: names,
    }),
    { maxLength: 30 },
  );
  await fc.assert(
    fc.asyncProperty(plans, fc.integer({ min: 1, max: 6 }), async (drawn, count) => {
      const sound = drawn.map((plan, index) => ({
        ...plan,
        needs: plan.needs.filter((need) => need < index),
        shared: plan.shared.filter((name) => !plan.alone.includes(name)),
      }));
      const { tasks, begun } = makeTasks(sound);
      await runTasks(tasks, lanes(count), nobody);
      expect(begun.toSorted((a, b) => a - b)).toEqual(tasks.map((_, index) => index));
    }),
  );
});

test("the longest goes first, and what wants several tables does not wait for the end", async () => {
  const free = { needs: [], alone: [] };
  const { tasks, begun } = makeTasks([
    { ...free, cost: 10, shared: ["a"] },
    { ...free, cost: 100, shared: ["b"] },
    { ...free, cost: 50, shared: ["c"] },
    { cost: 30, needs: [], alone: ["a", "b"], shared: [] },
  ]);
  await runTasks(tasks, lanes(1), nobody);
  expect(begun).toEqual([3, 1, 2, 0]);
});

test("nothing more is begun on tables that a long task wants, while there is something else to do", async () => {
  const free = { needs: [], alone: [] };
  const { tasks, begun } = makeTasks([
    { ...free, cost: 90, shared: ["c"] },
    { ...free, cost: 100, shared: ["a"] },
    { cost: 30, needs: [0], alone: ["a", "b"], shared: [] },
    { ...free, cost: 80, shared: ["a"] },
    { ...free, cost: 70, shared: ["b"] },
    { ...free, cost: 60, shared: ["c"] },
    { ...free, cost: 50, shared: ["c"] },
  ]);
  await runTasks(tasks, lanes(2), nobody);
  expect(begun.slice(0, 2)).toEqual([0, 1]);
  expect(begun.indexOf(2)).toBeLessThan(Math.min(begun.indexOf(3), begun.indexOf(4)));
});

test("what a long task only waits a short while for goes first, and what most follows after before what is long itself", async () => {
  const free = { needs: [], alone: [] };
  const { tasks, begun } = makeTasks([
    { ...free, cost: 80, shared: ["c"] },
    { ...free, cost: 40, shared: ["d"] },
    { cost: 50, needs: [1], alone: [], shared: ["d"] },
    { ...free, cost: 5, shared: ["b"] },
    { cost: 30, needs: [3], alone: ["a", "b"], shared: [] },
    { ...free, cost: 2, shared: ["a"] },
  ]);
  await runTasks(tasks, lanes(1), nobody);
  expect(begun).toEqual([3, 4, 1, 0, 2, 5]);
});

test("what wants a table alone goes before what can share it, while another table is there for the other lane", async () => {
  const rows = { cost: 300, needs: [], alone: [], shared: ["a"] };
  const { tasks, begun } = makeTasks([
    rows,
    { cost: 80, needs: [0], alone: [], shared: ["a"] },
    { cost: 60, needs: [0], alone: ["a"], shared: [] },
    { cost: 70, needs: [0], alone: [], shared: ["a"] },
    { cost: 20, needs: [], alone: [], shared: ["b"] },
    { cost: 20, needs: [], alone: [], shared: ["b"] },
  ]);
  await runTasks(tasks, lanes(1), nobody);
  expect(begun).toEqual([0, 2, 1, 3, 4, 5]);
});

test("the last long ones are helped, though a lane will soon be free", async () => {
  const told = new Map<number, number>();
  const task = (cost: number): LoadTask => ({
    cost,
    needs: [],
    alone: [],
    shared: ["a"],
    run: async (_, helpers) => {
      told.set(cost, helpers);
      await Promise.resolve();
    },
  });
  await runTasks([task(100), task(90), task(10)], lanes(2), nobody);
  expect(told).toEqual(
    new Map([
      [100, 1],
      [90, 0],
      [10, 0],
    ]),
  );
});

test("a task is told how many lanes have nothing else to do, and takes no more than its share of them", async () => {
  const told: number[] = [];
  const gates = [1, 2, 3].map(() => Promise.withResolvers<void>());
  const tasks = gates.map(
    (gate, index): LoadTask => ({
      cost: 10 - index,
      needs: [],
      alone: [],
      shared: index < 2 ? ["a"] : [],
      run: async (_, helpers) => {
        told.push(helpers);
        gates[index - 1]?.resolve();
        if (index < 2) await gate.promise;
      },
    }),
  );
  await runTasks(tasks, lanes(5), nobody);
  expect(told).toEqual([2, 2, 2]);
});

test("a failure ends everything: nothing more is begun, and it is told at once", async () => {
  const told: unknown[] = [];
  const ran: number[] = [];
  const task = (id: number, run: () => Promise<void>): LoadTask => ({
    cost: 10 - id,
    needs: [],
    alone: [],
    shared: [],
    run: async () => {
      ran.push(id);
      await run();
    },
  });
  const gate = Promise.withResolvers<void>();
  const tasks = [
    task(0, () => Promise.reject(new Error("broken"))),
    task(1, () => gate.promise),
    task(2, () => Promise.resolve()),
  ];
  const run = runTasks(tasks, lanes(2), (error) => {
    told.push(error);
    gate.resolve();
  });
  await expect(run).rejects.toThrow("broken");
  expect(told).toEqual([new Error("broken")]);
  expect(ran).toEqual([0, 1]);
});

test("tasks that wait for each other are an error, not an endless wait", async () => {
  const first: { -readonly [K in keyof LoadTask]: LoadTask[K] } = {
    cost: 1,
    needs: [],
    alone: [],
    shared: [],
    run: () => Promise.resolve(),
  };
  const second: LoadTask = { ...first, needs: [first] };
  first.needs = [second];
  await expect(runTasks([first, second], lanes(2), nobody)).rejects.toThrow("wait for each other");
});
