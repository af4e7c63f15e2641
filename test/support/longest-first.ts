import { relative } from "node:path";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** The files that take longest, slowest first. The order is all that counts, and need not be exact. */
const LONGEST = [
  "test/crash/restore.test.ts",
  "test/swap.test.ts",
  "test/crash/backup.test.ts",
  "test/reuse-model.test.ts",
  "test/crash/snapshot-backup.test.ts",
  "test/verify-restore.test.ts",
  "test/reuse-missing-parts.test.ts",
  "test/crash/snapshot-prune.test.ts",
  "test/restore.test.ts",
  "test/copies-sealed.test.ts",
  "test/snapshot-complete.test.ts",
  "test/crash-protocol.test.ts",
  "test/serve-soak.test.ts",
  "test/damage-recorded.test.ts",
  "test/encryption.test.ts",
  "test/snapshot-complete-value.test.ts",
  "test/reuse-history.test.ts",
  "test/snapshot-prune.test.ts",
  "test/snapshot-faults.test.ts",
  "test/export.test.ts",
  "test/lock.test.ts",
  "test/snapshot-restore.test.ts",
  "test/copies.test.ts",
  "test/kit.test.ts",
  "test/diff.test.ts",
  "test/restore-faults.test.ts",
  "test/snapshot-crash-protocol.test.ts",
  "test/reuse-guards.test.ts",
  "test/verify-integrity.test.ts",
  "test/serve.test.ts",
  "test/s3-faults-midway.test.ts",
  "test/snapshot-restore-part.test.ts",
  "test/crash/snapshot-restore.test.ts",
  "test/reuse.test.ts",
  "test/verify-assertions.test.ts",
  "test/encryption-keys.test.ts",
  "test/backup-processes.test.ts",
  "test/s3.test.ts",
  "test/large-objects.test.ts",
  "test/backup-faults.test.ts",
  "test/list-many.test.ts",
  "test/two-hosts.test.ts",
  "test/repository-repair.test.ts",
  "test/s3-faults.test.ts",
  "test/damage-sealed.test.ts",
  "test/snapshot-engine.test.ts",
  "test/snapshot-restore-faults.test.ts",
  "test/repository-encrypted.test.ts",
  "test/backup-locks.test.ts",
  "src/storage/s3/s3.test.ts",
  "test/recover-without-handled.test.ts",
  "src/engines/snapshot/row-digest.test.ts",
  "test/crash/copy.test.ts",
  "test/snapshot-model.test.ts",
  "src/storage/s3/faults.test.ts",
  "test/published-program.test.ts",
  "src/postgres/cluster.test.ts",
  "test/copies-bucket.test.ts",
  "src/storage/s3/lock.test.ts",
  "test/backup.test.ts",
];

/**
 * Runs the longest files first, so that none is left to run alone while the other processors have nothing to do. Vitest
 * knows how long each took the last time, but where it has never run it goes by size, and those that kill the program at
 * every step are small and long.
 */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = (file: TestSpecification): number => {
      const found = LONGEST.indexOf(relative(this.ctx.config.root, file.moduleId));
      return found === -1 ? LONGEST.length : found;
    };
    return (await super.sort(files)).toSorted((one, other) => rank(one) - rank(other));
  }
}
