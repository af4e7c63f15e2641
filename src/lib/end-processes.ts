import { errorCode } from "../errors.ts";
import { livingOfGroup, livingUnder } from "./living-processes.ts";

// How long it may take to end after SIGTERM, and then after SIGKILL.
const GRACE_MS = 2000;
const LOOK_EVERY_MS = 25;

/** Ends all processes of a group: with SIGTERM, then what is left of it with SIGKILL. */
export async function endGroup(group: number): Promise<void> {
  sendTo(-group, "SIGTERM");
  const isGone = async (): Promise<boolean> => !(await isGroupAlive(group));
  if (await isSoon(isGone)) return;
  sendTo(-group, "SIGKILL");
  await isSoon(isGone);
}

/**
 * Ends a process and all that it has started and that has not left its process group: with SIGTERM, then what is left of it with
 * SIGKILL. Does nothing where there is no `/proc`.
 */
export async function endTree(root: number): Promise<void> {
  // Whose parent has ended is nobody's child any more.
  const known = new Set([root]);
  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    const told = new Set<number>();
    const isOver = async (): Promise<boolean> => {
      const left = await livingUnder(known);
      for (const pid of left) {
        known.add(pid);
        if (!told.has(pid)) sendTo(pid, signal);
        told.add(pid);
      }
      return left.length === 0;
    };
    if (await isSoon(isOver)) return;
  }
}

/** Whether anything of a group still runs. */
export async function isGroupAlive(group: number): Promise<boolean> {
  // A zombie counts for the signal; only `/proc` tells it from the living.
  return sendTo(-group, 0) && (process.platform !== "linux" || (await livingOfGroup(group)).length > 0);
}

/** False where there is no such process. */
export function sendTo(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal);
  } catch (error) {
    const code = errorCode(error);
    if (code === "ESRCH") return false;
    // It is there, and has become somebody else's.
    if (code === "EPERM") return true;
    throw error;
  }
}

async function isSoon(condition: () => Promise<boolean>): Promise<boolean> {
  const until = performance.now() + GRACE_MS;
  while (!(await condition())) {
    if (performance.now() > until) return false;
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
  return true;
}
