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

/**
 * A first backup that failed left nothing but the repository itself, a lease that was given back, and what is remembered of the
 * run: no archive, no temporary file, no session on the server.
 */
export async function expectNothingLeft(folder: string, database?: FreshDatabase): Promise<void> {
  const files = await filesOf(folder);
  const leases = files.filter((file) => leaseNumber(file) !== undefined);
  const isKept = (file: string): boolean => file === "repository.json" || file.includes("/records/runs/");
  expect(files.filter((file) => !leases.includes(file) && !isKept(file))).toEqual([]);
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
