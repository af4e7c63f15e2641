import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import { leaseNumber } from "../../src/repository/layout.ts";
import { LeaseFile } from "../../src/repository/manifest.ts";
import type { FreshDatabase } from "./postgres.ts";

/** Every file below a repository's folder, links and temporary files included, by its path from there. */
export async function filesOf(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .toSorted();
}

/** These files but what is remembered of runs that have ended. */
export const withoutRuns = (files: readonly string[]): string[] =>
  files.filter((file) => !/\/records\/runs\/\d{4}-\d{2}\//.test(file));

/**
 * A first backup that failed left nothing but the repository itself, a lease that was given back, and what is remembered of the
 * run: no archive, no temporary file, no session on the server.
 */
export async function expectNothingLeft(folder: string, database?: FreshDatabase): Promise<void> {
  const files = withoutRuns(await filesOf(folder));
  const leases = files.filter((file) => leaseNumber(file) !== undefined);
  expect(files.filter((file) => !leases.includes(file) && file !== "repository.json")).toEqual([]);
  for (const lease of leases) {
    expect(LeaseFile.parse(JSON.parse(await readFile(join(folder, lease), "utf8"))).released).toBe(true);
  }
  if (database !== undefined) await expectNoSessions(database);
}

/** None of our sessions is left; the server may take a moment to notice that one was closed. */
export async function expectNoSessions(database: FreshDatabase): Promise<void> {
  const ours =
    "select count(*)::int as n from pg_stat_activity where application_name ~ '^handled' and datname = $1";
  await expect.poll(() => database.query(ours, [database.name])).toEqual([{ n: 0 }]);
}
