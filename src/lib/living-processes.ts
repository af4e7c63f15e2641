import { readdir, readFile } from "node:fs/promises";
import { errorCode } from "../errors.ts";
import { mapBounded } from "./concurrency.ts";

// The kernel answers from memory. All at once would be more files than a process may have open, where a machine has thousands.
const PARALLEL_READS = 2;

/**
 * The living processes of a group; one that has ended and whom nobody has waited for is none. Empty where there is no `/proc`.
 * @param group number of the process group
 */
export async function livingOfGroup(group: number): Promise<number[]> {
  return (await living()).filter((one) => one.group === group).map(({ pid }) => pid);
}

/**
 * The living among some processes and those that they have started, down to the last, but for those that have left their parent's
 * process group, as what is to stay in the background does. Empty where there is no `/proc`.
 */
export async function livingUnder(pids: ReadonlySet<number>): Promise<number[]> {
  const all = await living();
  const found = new Map(all.filter(({ pid }) => pids.has(pid)).map((one) => [one.pid, one]));
  for (let before = -1; before < found.size; ) {
    before = found.size;
    for (const one of all) if (found.get(one.parent)?.group === one.group) found.set(one.pid, one);
  }
  return [...found.keys()];
}

interface LivingProcess {
  readonly pid: number;
  readonly parent: number;
  readonly group: number;
}

async function living(): Promise<LivingProcess[]> {
  const found = await mapBounded(await allProcesses(), PARALLEL_READS, async (pid) => {
    const text = await readProc(`/proc/${pid}/stat`);
    // The name, in parentheses, may hold anything; then come the state, the parent and the group (proc(5)).
    const [state = "X", parent, group] = text?.slice(text.lastIndexOf(")") + 2).split(" ") ?? [];
    return "ZX".includes(state) ? [] : [{ pid, parent: Number(parent), group: Number(group) }];
  });
  return found.flat();
}

/** The processes that were started with a variable in their environment, and its values; of other users' nobody is told. */
export async function withVariable(
  name: string,
): Promise<{ readonly pid: number; readonly value: string }[]> {
  const found = await mapBounded(await allProcesses(), PARALLEL_READS, async (pid) => {
    const text = await readProc(`/proc/${pid}/environ`);
    const entry = text?.split("\0").find((one) => one.startsWith(`${name}=`));
    return entry === undefined ? [] : [{ pid, value: entry.slice(name.length + 1) }];
  });
  return found.flat();
}

async function allProcesses(): Promise<number[]> {
  try {
    return (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return [];
    throw error;
  }
}

/** Undefined where it has ended meanwhile, or is not for us to read. */
async function readProc(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (["ENOENT", "ESRCH", "EACCES", "EPERM"].includes(errorCode(error) ?? "")) return undefined;
    throw error;
  }
}
