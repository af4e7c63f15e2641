import { existsSync, statfsSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { freemem, tmpdir } from "node:os";
import { join } from "node:path";

/** What the folders of the tests' servers are called; the process that made one follows. */
export const CLUSTER_PREFIX = "handled-test-cluster-";

const MEMORY = "/dev/shm";
// Much more than all servers of a run take together.
const PLENTY_BYTES = 8 * 1024 ** 3;

/** Where a killed run may have left servers. */
export const CLUSTER_HOMES: readonly string[] = [tmpdir(), ...(freeBytes(MEMORY) === 0 ? [] : [MEMORY])];

/**
 * A new folder for a server. In memory where there is plenty of it: making and dropping databases is most of what the tests
 * do, and takes a file system hundreds of files each.
 */
export async function clusterFolder(): Promise<string> {
  const inMemory = Math.min(freeBytes(MEMORY), freemem()) > PLENTY_BYTES;
  return await mkdtemp(join(inMemory ? MEMORY : tmpdir(), `${CLUSTER_PREFIX}${process.pid}-`));
}

/** Zero where there is no such folder. */
function freeBytes(folder: string): number {
  if (!existsSync(folder)) return 0;
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}
