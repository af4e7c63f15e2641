import { AppError } from "../../errors.ts";
import type { LoadLane } from "./load-lane.ts";

/** A piece of a restore that one connection does by itself. */
export interface LoadTask {
  /** Roughly how long it takes, in bytes of rows to load. */
  readonly cost: number;
  readonly needs: readonly LoadTask[];
  /** What nobody else may work on meanwhile, by name: two that wait for each other's locks would never end. */
  readonly alone: readonly string[];
  /** What others may work on as well, unless they want it alone. */
  readonly shared: readonly string[];
  /** @param helpers how many lanes will have nothing else to do while it lasts */
  readonly run: (lane: LoadLane, helpers: number) => Promise<void>;
}

// A shorter task can wait for the end.
const LONG_SHARE = 0.01;
// Costs are rough: what waits may take half a task less than they say.
const DOUBT = 0.5;

/**
 * Runs tasks, each as soon as what it needs is done and a lane is free; of several the one first that the most is still to
 * follow after, so that no lane is left alone with something long at the end. One that wants alone what others work on too goes
 * before, and so does what it only waits a short while for; nothing more is begun on its tables until it can, when there is
 * as much to do on others meanwhile: at the end it would keep all lanes waiting. The first failure is thrown once the tasks
 * that had begun have ended; `failed` is called at once, so that it can end them.
 */
export async function runTasks(
  tasks: readonly LoadTask[],
  lanes: readonly LoadLane[],
  failed: (error: unknown) => void,
): Promise<void> {
  const board = new TaskBoard(tasks, lanes.length);
  const ends = await Promise.allSettled(
    lanes.map(async (lane) => {
      for (let next = await board.take(); next !== undefined; next = await board.take()) {
        const { task, helpers } = next;
        try {
          await task.run(lane, helpers);
        } catch (error) {
          board.stop();
          failed(error);
          throw error;
        }
        board.done(task);
      }
    }),
  );
  for (const end of ends) if (end.status === "rejected") throw end.reason;
}

class TaskBoard {
  /** The most urgent first. */
  readonly #waiting: Set<LoadTask>;
  /** Long tasks that want alone what others work on too. */
  readonly #greedy: Set<LoadTask>;
  readonly #done = new Set<LoadTask>();
  readonly #alone = new Set<string>();
  readonly #shared = new Map<string, number>();
  #changed = Promise.withResolvers<void>();
  #stopped = false;
  #running = 0;
  readonly #lanes: number;

  constructor(tasks: readonly LoadTask[], lanes: number) {
    this.#lanes = lanes;
    const long = LONG_SHARE * tasks.reduce((sum, { cost }) => sum + cost, 0);
    const greedy = tasks.filter(
      (task) => task.alone.length > 0 && task.cost > long && hasRivals(task, tasks),
    );
    const follows = costToEnd(tasks);
    const opening = new Set(greedy.flatMap(({ needs, cost }) => needs.filter((need) => need.cost < cost)));
    const urgency = (task: LoadTask): number => (opening.has(task) ? Infinity : (follows.get(task) ?? 0));
    const order = tasks.toSorted((a, b) => Number(urgency(b) > urgency(a)) - Number(urgency(a) > urgency(b)));
    this.#waiting = new Set(order);
    this.#greedy = new Set(greedy.toSorted((a, b) => b.cost - a.cost));
  }

  /** The next task; undefined when none is left, or a task failed. */
  async take(): Promise<{ readonly task: LoadTask; readonly helpers: number } | undefined> {
    for (;;) {
      if (this.#stopped || this.#waiting.size === 0) return undefined;
      const task = this.#find();
      if (task !== undefined) {
        this.#begin(task);
        return { task, helpers: this.#helpers(task) };
      }
      if (this.#running === 0) {
        throw new AppError("unexpected", `restore: ${this.#waiting.size} pieces wait for each other`);
      }
      await this.#changed.promise;
    }
  }

  /** How many lanes will have nothing else to do while a task that has just begun lasts; others like it take theirs. */
  #helpers(task: LoadTask): number {
    if (task.cost === 0) return 0;
    const free = this.#lanes - this.#running;
    let waiting = 0;
    for (const other of this.#waiting) if (!other.needs.includes(task)) waiting += other.cost;
    const busy = waiting / task.cost;
    const share = Math.ceil((free + DOUBT - busy) / (1 + busy));
    return Math.max(0, Math.min(free, share));
  }

  #find(): LoadTask | undefined {
    const greedy = [...this.#greedy].filter((task) => this.#isReady(task));
    const now = greedy.find((task) => this.#isFree(task));
    if (now !== undefined) return now;
    const next = greedy.find((task) => this.#leavesEnough(task));
    let spare: LoadTask | undefined;
    for (const task of this.#waiting) {
      if (!this.#isReady(task) || !this.#isFree(task)) continue;
      if (next === undefined || !isBeside(task, next)) return task;
      spare ??= task;
    }
    // Better this than nothing.
    return spare;
  }

  /** Whether as much is left to do on tables that the task does not want as it takes itself. */
  #leavesEnough(task: LoadTask): boolean {
    let left = 0;
    for (const other of this.#waiting) {
      if (left >= task.cost) return true;
      if (other !== task && !isBeside(other, task)) left += other.cost;
    }
    return left >= task.cost;
  }

  #begin(task: LoadTask): void {
    this.#waiting.delete(task);
    this.#greedy.delete(task);
    this.#running += 1;
    for (const name of task.alone) this.#alone.add(name);
    for (const name of task.shared) this.#shared.set(name, (this.#shared.get(name) ?? 0) + 1);
  }

  done(task: LoadTask): void {
    this.#done.add(task);
    this.#running -= 1;
    for (const name of task.alone) this.#alone.delete(name);
    for (const name of task.shared) this.#shared.set(name, (this.#shared.get(name) ?? 0) - 1);
    this.#tell();
  }

  stop(): void {
    this.#stopped = true;
    this.#tell();
  }

  #isReady({ needs }: LoadTask): boolean {
    return needs.every((need) => this.#done.has(need));
  }

  #isFree({ alone, shared }: LoadTask): boolean {
    return (
      alone.every((name) => !this.#alone.has(name) && (this.#shared.get(name) ?? 0) === 0) &&
      shared.every((name) => !this.#alone.has(name))
    );
  }

  #tell(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}

/**
 * For each task what it costs together with what waits for it: those that want their tables alone, which can only come one
 * after the other, and the longest of the others.
 */
function costToEnd(tasks: readonly LoadTask[]): ReadonlyMap<LoadTask, number> {
  const alone = new Map<LoadTask, number>();
  const longest = new Map<LoadTask, number>();
  for (const task of tasks) {
    for (const need of task.needs) {
      if (task.alone.length > 0) alone.set(need, (alone.get(need) ?? 0) + task.cost);
      else longest.set(need, Math.max(longest.get(need) ?? 0, task.cost));
    }
  }
  return new Map(tasks.map((task) => [task, task.cost + (alone.get(task) ?? 0) + (longest.get(task) ?? 0)]));
}

/** Whether a task works on something that the other wants alone. */
function isBeside({ alone, shared }: LoadTask, other: LoadTask): boolean {
  return [...alone, ...shared].some((name) => other.alone.includes(name));
}

/** Whether others, which neither need the task nor are needed by it, work on something that it wants alone. */
function hasRivals(task: LoadTask, tasks: readonly LoadTask[]): boolean {
  return tasks.some(
    (other) =>
      other !== task && isBeside(other, task) && !task.needs.includes(other) && !other.needs.includes(task),
  );
}
