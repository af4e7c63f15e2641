import { readFile, statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { errorCode, isAppError } from "../errors.ts";
import type { Session } from "./session.ts";

/**
 * Free bytes where the session's server keeps its data, or undefined where we cannot know: a server on another machine,
 * or one that does not tell its folder.
 */
export async function serverFreeBytes(session: Session): Promise<number | undefined> {
  // A tunnel makes a far server look near; only a backend that is a process here is certainly on this machine.
  if (!(await isLocalProcess(session.backendPid))) return undefined;
  const folder = await dataFolder(session);
  return folder === undefined ? undefined : await freeBytesAt(folder);
}

async function isLocalProcess(pid: number): Promise<boolean> {
  try {
    return (await readFile(`/proc/${pid}/cmdline`, "utf8")).startsWith("postgres");
  } catch (error) {
    if (["ENOENT", "EACCES", "ENOTDIR"].includes(errorCode(error) ?? "")) return false;
    throw error;
  }
}

async function dataFolder(session: Session): Promise<string | undefined> {
  try {
    const [row] = await session.query<{ folder: string }>(
      "select pg_catalog.current_setting('data_directory') as folder",
    );
    return row?.folder;
  } catch (error) {
    if (isAppError(error, "privilege_missing")) return undefined;
    throw error;
  }
}

/** The folder itself belongs to the server's user; the first parent that lets us look is on the same disk as a rule. */
async function freeBytesAt(folder: string): Promise<number | undefined> {
  for (let path = folder; ; path = dirname(path)) {
    try {
      const facts = await statfs(path);
      return facts.bavail * facts.bsize;
    } catch (error) {
      // The backend's process id may be that of another server's here, and the folder is on its machine only.
      if (errorCode(error) === "ENOENT") return undefined;
      if (errorCode(error) !== "EACCES") throw error;
      if (dirname(path) === path) return undefined;
    }
  }
}
