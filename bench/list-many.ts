/**
 * How long `handled list` takes over a repository of very many backups: half archives, half snapshots.
 *
 *   node bench/list-many.ts [backups]
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fillRepository } from "../test/support/many-backups.ts";

const MAIN = join(import.meta.dirname, "../bin/handled.js");
const ROUNDS = 5;

export interface ListTimes {
  readonly backups: number;
  /** Wall time of the whole program, in seconds: the median of some runs. */
  readonly table: number;
  readonly json: number;
}

/**
 * Makes a repository with this many backups in a temporary folder, and measures listing them with the real program.
 * @param program its first file
 */
export function measureList(backups: number, program = MAIN): ListTimes {
  const folder = mkdtempSync(join(tmpdir(), "handled-bench-list-"));
  try {
    fillRepository(folder, backups);
    const median = (options: readonly string[]): number => medianTime(program, folder, backups, options);
    return { backups, table: median([]), json: median(["--json"]) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function medianTime(program: string, folder: string, backups: number, options: readonly string[]): number {
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const started = performance.now();
    const run = spawnSync(process.execPath, [program, "list", "--repository", folder, ...options], {
      encoding: "utf8",
      maxBuffer: 1024 * 1024 * 1024,
    });
    times.push((performance.now() - started) / 1000);
    const listed = run.stdout.match(/\d{8}T\d{6}Z-[0-9a-f]{4}/g)?.length ?? 0;
    if (run.status !== 0 || listed < backups) throw new Error(`list failed after ${listed}: ${run.stderr}`);
  }
  return times.toSorted((a, b) => a - b)[Math.floor(ROUNDS / 2)] ?? Number.NaN;
}

if (import.meta.main) {
  const { backups, table, json } = measureList(Number(process.argv[2] ?? 10_000));
  console.log(`list of ${backups} backups: ${table.toFixed(2)} s as a table, ${json.toFixed(2)} s as JSON`);
}
