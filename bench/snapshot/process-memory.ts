import { readdirSync, readFileSync } from "node:fs";

const LOOK_EVERY_MS = 40;

/** Follows the memory of a process and its descendants. */
export interface MemoryWatch {
  /** Ends the watch; the most that all of them together ever had resident, in bytes. */
  end(): number;
}

/**
 * Adds up the high-water marks (`VmHWM`, proc(5)) of those alive at the same time. That is never less than what they
 * had at once, for the marks of two processes need not be of the same moment.
 */
export function watchMemory(pid: number): MemoryWatch {
  let peak = 0;
  const look = (): void => {
    peak = Math.max(peak, sumOf(pid));
  };
  const timer = setInterval(look, LOOK_EVERY_MS);
  return {
    end: () => {
      clearInterval(timer);
      return peak;
    },
  };
}

function sumOf(pid: number): number {
  const mark = /VmHWM:\s+(\d+) kB/.exec(read(`/proc/${pid}/status`))?.[1];
  return Number(mark ?? 0) * 1024 + childrenOf(pid).reduce((sum, child) => sum + sumOf(child), 0);
}

function childrenOf(pid: number): number[] {
  const threads = gone(() => readdirSync(`/proc/${pid}/task`), []);
  return threads.flatMap((thread) =>
    read(`/proc/${pid}/task/${thread}/children`).split(" ").filter(Boolean).map(Number),
  );
}

const read = (path: string): string => gone(() => readFileSync(path, "utf8"), "");

/** A process may end between two looks. */
function gone<T>(look: () => T, otherwise: T): T {
  try {
    return look();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ESRCH") return otherwise;
    throw error;
  }
}
