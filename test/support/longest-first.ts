import { relative } from "node:path";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** The files that take longest, slowest first. The order is all that counts, and need not be exact. */
const LONGEST = [
  "test/demo.test.ts",
  "test/crash/recover.test.ts",
  "test/dashboard-settings.test.ts",
  "test/snapshot-restore.test.ts",
  "test/dashboard-recovery-real.test.ts",
  "test/restore.test.ts",
  "test/dashboard-recovery.test.ts",
  "test/verify-restore.test.ts",
  "test/dashboard-restore.test.ts",
  "test/recover-deleted-provider.test.ts",
  "test/snapshot-faults.test.ts",
  "test/reuse-history.test.ts",
  "test/crash/restore.test.ts",
  "test/dashboard-pages.test.ts",
  "test/verify-assertions.test.ts",
  "test/swap.test.ts",
  "test/repository-repair.test.ts",
  "test/crash/snapshot-backup.test.ts",
  "test/restore-faults.test.ts",
  "test/serve.test.ts",
  "test/s3-faults-midway.test.ts",
  "test/snapshot-complete.test.ts",
  "test/reuse-missing-parts.test.ts",
  "test/copies-sealed.test.ts",
  "test/encryption.test.ts",
  "test/kit.test.ts",
  "test/lock.test.ts",
  "test/recover-rebuild.test.ts",
  "test/drill.test.ts",
  "test/reuse-guards.test.ts",
  "test/recover-together-provider.test.ts",
  "test/diff.test.ts",
  "test/verify-integrity.test.ts",
  "test/provider-faults.test.ts",
  "test/damage-recorded.test.ts",
  "test/recover-provider.test.ts",
  "test/swap-refused.test.ts",
  "test/snapshot-complete-value.test.ts",
  "test/restore-part.test.ts",
  "test/reuse-model.test.ts",
  "test/copies.test.ts",
  "test/backup-processes.test.ts",
  "test/encryption-keys.test.ts",
  "test/crash/snapshot-prune.test.ts",
  "test/demo-dashboard.test.ts",
  "test/s3.test.ts",
  "test/serve-soak.test.ts",
  "test/crash/backup.test.ts",
  "test/recover-provider-back.test.ts",
  "test/export.test.ts",
  "test/crash/snapshot-restore.test.ts",
  "test/backup-faults.test.ts",
  "test/s3-faults.test.ts",
  "test/snapshot-restore-part.test.ts",
  "test/api-jobs.test.ts",
  "test/repository-check.test.ts",
  "test/reuse.test.ts",
  "test/recover.test.ts",
  "test/crash-protocol.test.ts",
  "test/crash/copy.test.ts",
  "src/demo/digitalocean/emulator.test.ts",
  "test/large-objects.test.ts",
  "src/engines/snapshot/row-digest.test.ts",
  "test/restore-provider.test.ts",
  "test/two-hosts.test.ts",
  "src/storage/s3/faults.test.ts",
  "test/snapshot-prune.test.ts",
  "test/recover-without-handled.test.ts",
  "test/published-program.test.ts",
  "test/backup-locks.test.ts",
  "test/backup.test.ts",
  "test/swap-application.test.ts",
  "test/recover-deleted.test.ts",
  "test/missing-rows.test.ts",
  "src/storage/s3/s3.test.ts",
  "test/snapshot-engine.test.ts",
  "src/storage/s3/lock.test.ts",
  "test/repository-encrypted.test.ts",
  "test/recover-everything.test.ts",
  "test/swap-undo.test.ts",
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
