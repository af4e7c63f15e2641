import { chmod, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { errorCode, messageOf } from "../errors.ts";
import { writeDurable } from "../lib/durable.ts";
import type { Runtime } from "../lib/runtime.ts";
import { stopStaleCluster } from "../postgres/cluster.ts";
import { describeHolder, stateOfHolder } from "../repository/holder.ts";
import { Holder } from "../repository/manifest.ts";

const PREFIX = "handled-demo-";
const OWNER_FILE = "owner.json";
/** The folders of the two servers inside a demo's folder. */
const SERVERS = ["managed", "vps"] as const;

/** Makes a folder for one demo, with a note of whose it is, and removes those of demos that were killed. */
export async function makeDemoFolder(runtime: Runtime, signal: AbortSignal): Promise<string> {
  const parent = runtime.env["TMPDIR"] ?? "/tmp";
  await removeAbandoned(runtime, parent, signal);
  const folder = await mkdtemp(join(parent, PREFIX));
  // The servers may run as another user (PostgreSQL refuses root), who must be able to pass through.
  await chmod(folder, 0o711);
  await writeDurable(join(folder, OWNER_FILE), JSON.stringify(await describeHolder("demo")));
  return folder;
}

/** Stops what still runs in a demo's folder and removes it. */
export async function removeDemoFolder(runtime: Runtime, folder: string, signal: AbortSignal): Promise<void> {
  for (const server of SERVERS) await stopStaleCluster(runtime, join(folder, server), signal);
  await rm(folder, { recursive: true, force: true });
}

async function removeAbandoned(runtime: Runtime, parent: string, signal: AbortSignal): Promise<void> {
  const self = await describeHolder("demo");
  for (const name of await readdir(parent)) {
    if (!name.startsWith(PREFIX)) continue;
    const folder = join(parent, name);
    const owner = await readOwner(folder);
    if (owner === undefined || (await stateOfHolder(owner, self)) !== "dead") continue;
    try {
      await removeDemoFolder(runtime, folder, signal);
      runtime.reporter.note(`removed ${folder}, left behind by a demo that was killed`);
    } catch (error) {
      // Somebody else's demo, say: not ours to remove, and no reason not to run ours.
      runtime.reporter.warn(`remove ${folder}, left behind by a demo that was killed: ${messageOf(error)}`);
    }
  }
}

/** Undefined where there is no readable note: another demo is just being set up, or it is not ours. */
async function readOwner(folder: string): Promise<Holder | undefined> {
  try {
    return Holder.parse(JSON.parse(await readFile(join(folder, OWNER_FILE), "utf8")));
  } catch (error) {
    if (["ENOENT", "EACCES", "ENOTDIR"].includes(errorCode(error) ?? "")) return undefined;
    throw error;
  }
}
