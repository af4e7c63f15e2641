/**
 * How long `handled history` takes over a repository that has recorded very many runs, in folded months: with the index on this machine,
 * and with the repository alone.
 *
 *   node bench/history.ts [runs]
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fillRuns } from "../test/support/many-runs.ts";

const MAIN = join(import.meta.dirname, "../bin/handled.js");
const ROUNDS = 3;
// A million of them are nine and a half years.
const EVERY_MINUTES = 5;

const QUESTIONS: readonly (readonly string[])[] = [
  ["--last", "20"],
  ["--failed", "--last", "20"],
  ["--failed", "--last", "1000000"],
  ["--operation", "restore", "--since", "90d"],
];

async function measureHistory(runs: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "handled-bench-history-"));
  const cache = join(folder, "cache");
  const place = join(folder, "repository");
  try {
    mkdirSync(cache);
    mkdirSync(place);
    const now = new Date();
    const thisMonth = Date.UTC(now.getUTCFullYear(), now.getUTCMonth());
    await fillRuns(place, runs, EVERY_MINUTES, thisMonth - runs * EVERY_MINUTES * 60_000);
    // Beneath a file no folder can be made, neither for the index nor for what Node has compiled.
    const noCache = join(place, "repository.json", "cache");
    const seconds = (args: readonly string[], cacheFolder: string): number => {
      const started = performance.now();
      const result = spawnSync(
        process.execPath,
        [MAIN, "history", "data", "--repository", place, "--json", ...args],
        {
          encoding: "utf8",
          env: { PATH: process.env["PATH"], HOME: folder, XDG_CACHE_HOME: cacheFolder },
          maxBuffer: 1024 * 1024 * 1024,
        },
      );
      if (result.status !== 0) throw new Error(`history failed: ${result.stderr}`);
      return (performance.now() - started) / 1000;
    };
    const median = (args: readonly string[], cacheFolder: string): string => {
      const times = Array.from({ length: ROUNDS }, () => seconds(args, cacheFolder));
      return `${(times.toSorted((a, b) => a - b)[Math.floor(ROUNDS / 2)] ?? Number.NaN).toFixed(2)} s`;
    };
    console.log(`${runs} runs; --rebuild: ${seconds(["--rebuild"], cache).toFixed(2)} s`);
    const index = join(cache, "handled/history");
    const bytes = readdirSync(index).reduce((sum, name) => sum + statSync(join(index, name)).size, 0);
    console.log(`size of the index: ${(bytes / 1024 / 1024).toFixed(1)} MiB`);
    for (const args of QUESTIONS)
      console.log(`${args.join(" ")}: ${median(args, cache)}; without an index ${median(args, noCache)}`);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

if (import.meta.main) await measureHistory(Number(process.argv[2] ?? 1_000_000));
