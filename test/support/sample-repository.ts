import { join } from "node:path";
import { acquireLease } from "../../src/repository/lease.ts";
import type { BackupIndex } from "../../src/repository/manifest.ts";
import { openOrCreateRepository, type Repository } from "../../src/repository/repository.ts";
import { openStorage } from "../../src/storage/open.ts";
import { noAbort, testRuntime } from "./runtime.ts";
import { type Sample, takeSample } from "./sample-backup.ts";
import { type TemporaryFolder, temporaryFolder } from "./temporary-folder.ts";

export interface SampleRepository extends TemporaryFolder {
  /** The folder of the repository. */
  readonly place: string;
  readonly repository: Repository;
  readonly backups: readonly BackupIndex[];
}

/** A folder with a repository in `repository/` that holds these backups. */
export async function sampleRepository(samples: readonly Sample[]): Promise<SampleRepository> {
  const folder = await temporaryFolder();
  const place = join(folder.path, "repository");
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
