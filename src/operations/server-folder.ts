import { chmod, mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { errorCode, messageOf } from "../errors.ts";
import { writeDurable } from "../lib/durable.ts";
import { withVariable } from "../lib/living-processes.ts";
import type { Runtime } from "../lib/runtime.ts";
import { stopStaleCluster } from "../postgres/cluster.ts";
import { describeHolder, stateOfHolder } from "../repository/holder.ts";
import { Holder } from "../repository/manifest.ts";

/** What throw-away servers are for; part of their folder's name. */
export type ServerPurpose = "demo" | "verify";

const OWNER_FILE = "owner.json";

/**
 * Makes a folder for throw-away servers, each in a subfolder of its own, with a note of whose it is; first it removes those
 * of the same purpose that killed processes left, with the servers and whatever else still runs in them.
 */
export async function makeServerFolder(
  runtime: Runtime,
  purpose: ServerPurpose,
  signal: AbortSignal,
): Promise<string> {
  const parent = runtime.env["TMPDIR"] ?? "/tmp";
  await removeAbandoned(runtime, parent, purpose, signal);
  const folder = await mkdtemp(join(parent, prefixOf(purpose)));
  // The servers may run as another user (PostgreSQL refuses root), who must be able to pass through.
  await chmod(folder, 0o711);
  await writeDurable(join(folder, OWNER_FILE), JSON.stringify(await describeHolder(purpose)));
  return folder;
}

/** Stops what still runs in a folder of `makeServerFolder`, and in those that were made in it, and removes it. */
export async function removeServerFolder(
  runtime: Runtime,
  folder: string,
  signal: AbortSignal,
): Promise<void> {
  await endProcesses(folder);
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue;
    const within = join(folder, entry.name);
    // What the demo started and was killed had its servers there.
    if (entry.name.startsWith(prefixOf("verify"))) await removeServerFolder(runtime, within, signal);
    else await stopStaleCluster(runtime, within, signal);
  }
  // What was killed may be about to write its last file.
  await rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 20 });
}

const prefixOf = (purpose: ServerPurpose): string => `handled-${purpose}-`;

async function removeAbandoned(
  runtime: Runtime,
  parent: string,
  purpose: ServerPurpose,
  signal: AbortSignal,
): Promise<void> {
  const self = await describeHolder(purpose);
  for (const name of await readdir(parent)) {
    if (!name.startsWith(prefixOf(purpose))) continue;
    const folder = join(parent, name);
    const owner = await readOwner(folder);
    if (owner === undefined || (await stateOfHolder(owner, self)) !== "dead") continue;
    try {
      await removeServerFolder(runtime, folder, signal);
      runtime.reporter.note(`removed ${folder}, left behind by a process that was killed`);
    } catch (error) {
      // Somebody else's, say: not ours to remove, and no reason not to go on.
      runtime.reporter.warn(
        `remove ${folder}, left behind by a process that was killed: ${messageOf(error)}`,
      );
    }
  }
}

/**
 * Kills what works in a folder that nobody needs any more: what has it for its temporary files, as the daemon of a demo has, and the jobs of
 * one that was killed.
 */
async function endProcesses(folder: string): Promise<void> {
  for (const { pid, value } of await withVariable("TMPDIR")) {
    if (value !== folder) continue;
    try {
      process.kill(pid, "SIGKILL");
    } catch (error) {
      // It has ended meanwhile.
      if (errorCode(error) !== "ESRCH") throw error;
    }
  }
}

/** Undefined where there is no readable note of ours: another process is just being set up, or it is somebody else's. */
async function readOwner(folder: string): Promise<Holder | undefined> {
  try {
    // Anybody can write a note into a folder of such a name; in ours only we can.
    if ((await stat(folder)).uid !== process.getuid?.()) return undefined;
    return Holder.parse(JSON.parse(await readFile(join(folder, OWNER_FILE), "utf8")));
  } catch (error) {
    if (["ENOENT", "EACCES", "ENOTDIR"].includes(errorCode(error) ?? "")) return undefined;
    throw error;
  }
}
