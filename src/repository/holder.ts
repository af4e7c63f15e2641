import { readFile, readlink } from "node:fs/promises";
import { hostname, userInfo } from "node:os";
import { errorCode } from "../errors.ts";
import type { Holder } from "./manifest.ts";

/** This process, as a lease names it. What the system does not tell (anywhere but Linux) is null. */
export async function describeHolder(operation: string): Promise<Holder> {
  return {
    host: hostname(),
    user: userName(),
    pid: process.pid,
    bootId: (await readProc("/proc/sys/kernel/random/boot_id"))?.trim() ?? null,
    pidNamespace: await readPidNamespace(),
    processStart: (await readProcess(process.pid))?.start ?? null,
    operation,
  };
}

/** What can be said of another holder from here, at once. */
export type HolderState = "alive" | "dead" | "unknown";

/**
 * Whether a holder lives. Its pid means something only under the same kernel boot and in the same pid namespace;
 * anywhere else the answer is `unknown`, and the holder has to be watched.
 * @param self this process, from `describeHolder`
 */
export async function stateOfHolder(holder: Holder, self: Holder): Promise<HolderState> {
  const sameKernel = holder.bootId !== null && holder.bootId === self.bootId;
  const samePids = holder.pidNamespace !== null && holder.pidNamespace === self.pidNamespace;
  if (!sameKernel || !samePids) return "unknown";
  if (!pidExists(holder.pid)) return "dead";
  const found = await readProcess(holder.pid);
  // Another user's process may be hidden (`hidepid`): it exists, and that has to do.
  if (found === undefined) return "alive";
  // A killed process whose parent has not taken notice is still listed, and will never write again.
  if (found.state === "Z" || found.state === "X") return "dead";
  // The pid was given to another process since.
  if (holder.processStart !== null && found.start !== holder.processStart) return "dead";
  return "alive";
}

function pidExists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it is there and belongs to somebody else.
    return errorCode(error) !== "ESRCH";
  }
}

/** State letter and start time (in ticks since boot) of a process; undefined where `/proc` does not tell. */
async function readProcess(pid: number): Promise<{ state: string; start: string } | undefined> {
  const text = await readProc(`/proc/${pid}/stat`);
  if (text === undefined) return undefined;
  // The second field is the program's name in parentheses and may hold anything; the state is the third field, the
  // start time the 22nd (proc(5)).
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const [state, start] = [fields[0], fields[19]];
  return state === undefined || start === undefined ? undefined : { state, start };
}

async function readProc(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (isHidden(error)) return undefined;
    throw error;
  }
}

async function readPidNamespace(): Promise<string | null> {
  try {
    return await readlink("/proc/self/ns/pid");
  } catch (error) {
    if (isHidden(error)) return null;
    throw error;
  }
}

/** No `/proc`, the process ended meanwhile, or its files are not for us. */
function isHidden(error: unknown): boolean {
  return ["ENOENT", "ENOTDIR", "ESRCH", "EACCES", "EPERM"].includes(errorCode(error) ?? "");
}

/** Who runs us, by name or by number. */
export function userName(): string {
  try {
    return userInfo().username;
  } catch (error) {
    // Containers often run under a uid that no passwd file names.
    if (errorCode(error) !== "ERR_SYSTEM_ERROR" && errorCode(error) !== "ENOENT") throw error;
    return `uid ${process.getuid?.() ?? "unknown"}`;
  }
}
