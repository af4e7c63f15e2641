import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** What the folders of the tests' servers are called; the process that made one follows. */
export const CLUSTER_PREFIX = "handled-test-cluster-";

/** A new folder for a server, where temporary files go. */
export async function clusterFolder(): Promise<string> {
  return await mkdtemp(join(tmpdir(), `${CLUSTER_PREFIX}${process.pid}-`));
}
