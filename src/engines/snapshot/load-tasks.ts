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
  readonly run: (lane: LoadLane) => Promise<void>;
}

// A shorter task can wait for the end.
const LONG_SHARE = 0.01;

/**
 * Runs tasks, each as soon as what it needs is done and a lane is free; of several the longest first, so that no
 * lane is left alone with a long one at the end. One that wants several tables alone goes before, and nothing more is begun
 * on them until it can, when there is as much to do on others meanwhile: at the end it would keep all lanes waiting. The first failure is thrown once the tasks that had begun have ended;
 * `failed` is called at once, so that it can end them.
 */
export async function runTasks(
  tasks: readonly LoadTask[],
  lanes: readonly LoadLane[],
  failed: (error: unknown) => void,
): Promise<void> {
  const board = new TaskBoard(tasks);
  const ends = await Promise.allSettled(
    lanes.map(async (lane) => {
      for (let task = await board.take(); task !== undefined; task = await board.take()) {
        try {
          await task.run(lane);
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
  /** The longest first. */
  readonly #waiting: Set<LoadTask>;
  /** Long tasks that want several tables alone. */
  readonly #greedy: Set<LoadTask>;
  readonly #done = new Set<LoadTask>();
  readonly #alone = new Set<string>();
  readonly #shared = new Map<string, number>();
  #changed = Promise.withResolvers<void>();
  #stopped = false;
  #running = 0;

  constructor(tasks: readonly LoadTask[]) {
    this.#waiting = new Set(tasks.toSorted((a, b) => b.cost - a.cost));
    const long = LONG_SHARE * tasks.reduce((sum, { cost }) => sum + cost, 0);
    this.#greedy = new Set([...this.#waiting].filter(({ alone, cost }) => alone.length > 1 && cost > long));
  }

  /** The next task; undefined when none is left, or a task failed. */
  async take(): Promise<LoadTask | undefined> {
    for (;;) {
      if (this.#stopped || this.#waiting.size === 0) return undefined;
      const task = this.#find();
      if (task !== undefined) {
        this.#begin(task);
        return task;
      }
      if (this.#running === 0) {
        throw new AppError("unexpected", `restore: ${this.#waiting.size} pieces wait for each other`);
      }
      await this.#changed.promise;
    }
  }

  #find(): LoadTask | undefined {
    const next = [...this.#greedy].find((task) => this.#isReady(task) && this.#leavesEnough(task));
    if (next !== undefined && this.#isFree(next)) return next;
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

/** Whether a task works on something that the other wants alone. */
function isBeside({ alone, shared }: LoadTask, other: LoadTask): boolean {
  return [...alone, ...shared].some((name) => other.alone.includes(name));
}
