import { join } from "node:path";
import { acquireLease } from "../../src/repository/lease.ts";
import type { BackupIndex } from "../../src/repository/manifest.ts";
import { openOrCreateRepository, type Repository } from "../../src/repository/repository.ts";
import { openStorage } from "../../src/storage/open.ts";
import { inBucket } from "./in-bucket.ts";
import { freshBucket } from "./object-store.ts";
import { noAbort, testRuntime } from "./runtime.ts";
import { type Sample, takeSample } from "./sample-backup.ts";
import { type TemporaryFolder, temporaryFolder } from "./temporary-folder.ts";

export interface SampleRepository extends TemporaryFolder {
  /** The folder of the repository; where HANDLED_TEST_PLACE asks for a bucket, its URL. */
  readonly place: string;
  readonly repository: Repository;
  readonly backups: readonly BackupIndex[];
}

/**
 * A repository that holds these backups, in `repository/` of a folder or in a bucket.
 * @param isFolder not in a bucket, whatever is asked for
 */
export async function sampleRepository(
  samples: readonly Sample[],
  isFolder = !inBucket(),
): Promise<SampleRepository> {
  const folder = await temporaryFolder();
  const place = isFolder ? join(folder.path, "repository") : (await freshBucket()).url;
  const runtime = testRuntime();
  const repository = await openOrCreateRepository(runtime, openStorage(runtime, place), noAbort());
  const backups: BackupIndex[] = [];
  for (const sample of samples) {
    const { database = "shop" } = sample;
    await using lease = await acquireLease(runtime, repository, database, "backup", noAbort());
    backups.push(await takeSample(repository, lease, sample, noAbort()));
  }
  return {
    path: folder.path,
    place,
    repository,
    backups,
    [Symbol.asyncDispose]: async () => await folder[Symbol.asyncDispose](),
  };
}
