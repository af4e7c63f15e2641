import { chmod, chown, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { AppError, errorCode, isAppError } from "../errors.ts";
import { runForText } from "../lib/process.ts";
import type { Runtime } from "../lib/runtime.ts";
import { findInstallations, majorOf } from "./clients.ts";
import { isProcessOf } from "./server-process.ts";
import type { SystemUser } from "./server-user.ts";

/** A cluster's folder, and what is needed to drive the server in it. */
export interface Place {
  readonly runtime: Runtime;
  readonly programs: string;
  readonly user: SystemUser | undefined;
  readonly folder: string;
}

/**
 * Starts the server and waits until it accepts connections. Not to be cancelled: a `pg_ctl` ended too early would
 * leave behind a server that nobody knows of.
 */
export async function startServer(place: Place): Promise<void> {
  const log = join(place.folder, "log");
  try {
    const args = [
      "start",
      "--wait",
      "--timeout",
      "60",
      "--silent",
      "--log",
      log,
      "--pgdata",
      dataFolder(place.folder),
    ];
    await runServerTool(place, "pg_ctl", args, neverAborted());
  } catch (error) {
    if (!isAppError(error, "tool_failed")) throw error;
    const lines = (await readText(log))?.trim().split("\n").slice(-5).join("; ") ?? "no log";
    throw new AppError("tool_failed", `run pg_ctl: the server did not start: ${lines}`, { cause: error });
  }
}

/** Stops the server; nothing happens when none runs. */
export async function stopServer(place: Place, mode: "fast" | "immediate"): Promise<void> {
  // `pg_ctl` would signal whoever has the number in the file by now.
  if (!(await isServing(place.folder))) return;
  try {
    const args = ["stop", "--wait", "--mode", mode, "--silent", "--pgdata", dataFolder(place.folder)];
    await runServerTool(place, "pg_ctl", args, neverAborted());
  } catch (error) {
    // It may have ended by itself in the meantime: what counts is that it no longer runs.
    if (await isServing(place.folder)) throw error;
  }
}

/** True when the server of this very folder runs. */
export async function isServing(folder: string): Promise<boolean> {
  const pid = await readPid(folder);
  return pid !== undefined && (await isProcessOf(pid, dataFolder(folder)));
}

/** Runs one of the server's programs as the server's user. */
export async function runServerTool(
  place: Place,
  name: string,
  args: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const call = {
    program: join(place.programs, name),
    args,
    // Nothing of the caller's settings may change what the server does.
    env: { PATH: place.runtime.env["PATH"], LC_ALL: "C", TZ: "UTC" },
    cwd: place.folder,
    ...(place.user === undefined ? {} : { user: place.user }),
  };
  await runForText(place.runtime, call, signal);
}

/** The folder of the newest installed server programs, or of a given major version; fails with `client_missing`. */
export async function findServerPrograms(
  runtime: Runtime,
  major: number | undefined,
  signal: AbortSignal,
): Promise<string> {
  const installed = await findInstallations(runtime, "initdb", signal);
  const newest = installed.findLast((one) => major === undefined || majorOf(one.version) === major);
  if (newest !== undefined) return newest.folder;
  const wanted = major === undefined ? "" : ` ${major}`;
  throw new AppError("client_missing", `find PostgreSQL${wanted} server programs: none is installed`, {
    hint: `\`apt-get install postgresql${wanted === "" ? "" : `-${major}`}\``,
  });
}

/** PostgreSQL's own folder inside a cluster's. */
export function dataFolder(folder: string): string {
  return join(folder, "data");
}

/** Writes a file that only the server's user can read. */
export async function writeOwned(place: Place, path: string, content: string): Promise<void> {
  await writeFile(path, content, { mode: 0o600 });
  await chmod(path, 0o600);
  if (place.user !== undefined) await chown(path, place.user.uid, place.user.gid);
}

/** The server's process id; fails when it does not run. */
export async function requirePid(folder: string): Promise<number> {
  const pid = await readPid(folder);
  if (pid !== undefined) return pid;
  throw new AppError("tool_failed", `read the server's process id in ${folder}: it ended at once`);
}

/** What postmaster.pid says; undefined when there is no such file, which means that the server was stopped. */
async function readPid(folder: string): Promise<number | undefined> {
  const text = await readText(join(dataFolder(folder), "postmaster.pid"));
  const pid = Number(text?.split("\n")[0]);
  return Number.isInteger(pid) && pid > 1 ? pid : undefined;
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

// Cleaning up goes on although the operation was cancelled.
function neverAborted(): AbortSignal {
  return new AbortController().signal;
}
