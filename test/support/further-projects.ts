import { delimiter } from "node:path";
import type { TestProjectInlineConfiguration } from "vitest/config";

/**
 * What `.ci/run` tests again on PostgreSQL 17, in buckets and encrypted, beside all the others so that servers and programs are
 * started once and no processor waits for the last file of each. Only where HANDLED_TEST_POSTGRES_17 names the folder of
 * that version's programs. The first on the PATH is the newest, and so the one that the tests use; that it is the one
 * we mean they check.
 */
export function furtherProjects(): TestProjectInlineConfiguration[] {
  const newer = process.env["HANDLED_TEST_POSTGRES_17"];
  if (newer === undefined) return [];
  const on17 = { PATH: `${newer}${delimiter}${process.env["PATH"] ?? ""}`, HANDLED_TEST_POSTGRES: "17" };
  const inBucket = { HANDLED_TEST_PLACE: "bucket" };
  return [
    // What depends on the server's version most.
    again("17", on17, [
      "src/{postgres,engines/archive}/**/*.test.ts",
      "src/engines/snapshot/{history-marker,tuple-identity,type-signature}.test.ts",
      "test/{backup,both-kinds,reuse-guards,snapshot-complete}.test.ts",
    ]),
    // What only sees a repository through the program: the others have met it plain, in folders, and on another server.
    again("17, encrypted in a bucket", { ...on17, ...inBucket, HANDLED_TEST_KEYS: "1" }, [
      "test/{restore,restore-part,restore-roles,snapshot-restore,verify-content,verify-integrity}.test.ts",
      "test/crash/copy.test.ts",
    ]),
    // What is not to be had encrypted, or that much slower.
    again("in a bucket", inBucket, [
      "test/snapshot-restore-encodings.test.ts",
      "test/repository-{usage,check,repair}.test.ts",
    ]),
  ];
}

/** On a server of its own: roles and databases of the same names are made by the same tests at the same time. */
function again(name: string, env: Record<string, string>, include: string[]): TestProjectInlineConfiguration {
  return { test: { name, env, include, globalSetup: ["test/support/global-setup.ts"] } };
}
