import { makeBucket } from "../../test/support/s3-client.ts";
import { KEY_VARIABLES, startCeph } from "../../test/support/ceph.ts";
import { type Bench, dropDatabase, freshFolder, settle } from "./bench.ts";
import { timeRatio } from "./figures.ts";
import type { Findings } from "./goals.ts";
import { restoreSnapshot, takeSnapshot } from "./handled.ts";
import type { Run } from "./run.ts";

const BUCKET = "bench";
const INTO = "restored_from_bucket";
type Kind = "first" | "unchanged" | "restore";

/**
 * The same snapshots and restores with a repository in a bucket and in a folder, in turn. The object store is a Ceph on this
 * machine that holds everything in memory and takes its share of the processors: a network is not measured, what the
 * requests cost is.
 */
export async function measureBucket(bench: Bench, signal: AbortSignal): Promise<Findings> {
  const { place, options, say } = bench;
  await using store = await startCeph(await freshFolder(place, "ceph"));
  await makeBucket(store, BUCKET);
  const runs = {
    folder: { first: [], unchanged: [], restore: [] } as Record<Kind, Run[]>,
    bucket: { first: [], unchanged: [], restore: [] } as Record<Kind, Run[]>,
  };
  for (let round = 1; round <= options.rounds; round++) {
    const places = {
      folder: await freshFolder(place, "repository-folder"),
      bucket: `s3://${BUCKET}/round-${round}?endpoint=${store.endpoint}&region=us-east-1`,
    };
    for (const where of ["folder", "bucket"] as const) {
      const repository = places[where];
      const more = where === "folder" ? {} : { env: KEY_VARIABLES };
      const take = async (kind: Kind, measured: () => Promise<Run>): Promise<void> => {
        await settle(place, signal);
        const done = await measured();
        runs[where][kind].push(done);
        say(`round ${round}: ${where}, ${kind} ${done.seconds.toFixed(2)} s`);
      };
      await take("first", () => takeSnapshot(place, repository, signal, more));
      await take("unchanged", () => takeSnapshot(place, repository, signal, more));
      await take("restore", () => restoreSnapshot(place, repository, INTO, signal, more));
      await dropDatabase(place, INTO, signal);
    }
  }
  return {
    bucketFirst: timeRatio(runs.bucket.first, runs.folder.first),
    bucketUnchanged: timeRatio(runs.bucket.unchanged, runs.folder.unchanged),
    bucketRestore: timeRatio(runs.bucket.restore, runs.folder.restore),
  };
}
