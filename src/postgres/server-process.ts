import { readlink, realpath } from "node:fs/promises";
import { errorCode } from "../errors.ts";

/**
 * True when the process runs and is the server of this data folder. A number in an old postmaster.pid may belong to a
 * stranger by now; a server's working directory is its data folder, which Linux lets us see.
 */
export async function isProcessOf(pid: number, dataFolder: string): Promise<boolean> {
  if (!isRunning(pid)) return false;
  // Elsewhere there is no such look, and pg_ctl trusts the file as well.
  if (process.platform !== "linux") return true;
  try {
    return (await readlink(`/proc/${pid}/cwd`)) === (await realpath(dataFolder));
  } catch (error) {
    const code = errorCode(error);
    if (code === "ENOENT" || code === "ESRCH" || code === "EACCES") return false;
    throw error;
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    if (errorCode(error) === "ESRCH") return false;
    // It runs, as another user.
    if (errorCode(error) === "EPERM") return true;
    throw error;
  }
}
