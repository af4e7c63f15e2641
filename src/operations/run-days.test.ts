import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { manualClock } from "../../test/support/manual-clock.ts";
import { temporaryFolder } from "../../test/support/postgres.ts";
import { runFile } from "../../test/support/run-file.ts";
import { noAbort, testRuntime } from "../../test/support/runtime.ts";
import { lastDays } from "../lib/local-days.ts";
import { describeHolder } from "../repository/holder.ts";
import { openOrCreateRepository, type Repository } from "../repository/repository.ts";
import type { RunFile } from "../repository/run-file.ts";
import { recordBegun, recordEnded } from "../repository/runs.ts";
import { memoryStorage } from "../storage/memory.ts";
import { countRunDays } from "./run-days.ts";

const NOW = new Date("2026-11-02T12:00:00Z");

async function runAt(at: string, parts: Partial<RunFile>): Promise<RunFile> {
  return runFile(manualClock(new Date(at)), await describeHolder("backup"), parts);
}

test("each run is counted once, on the day of the zone that it began; what only looks whole is no proof", async () => {
  await using cache = await temporaryFolder();
  const runtime = testRuntime({ env: { XDG_CACHE_HOME: cache.path } });
  const places: Repository[] = [];
  for (let n = 0; n < 2; n++)
    places.push(await openOrCreateRepository(testRuntime(), memoryStorage(), noAbort()));
  const both = [
    // Before the first of the days, and the last moment before it.
    await runAt("2026-10-29T12:00:00Z", {}),
    await runAt("2026-10-30T22:59:59.999Z", {}),
    // The 31st in Berlin.
    await runAt("2026-10-30T23:00:00Z", {}),
    await runAt("2026-10-31T12:00:00Z", { outcome: "degraded" }),
    await runAt("2026-11-01T12:00:00Z", { operation: "verify", proven: "content" }),
    await runAt("2026-11-01T13:00:00Z", { operation: "verify", proven: "integrity" }),
    await runAt("2026-11-01T14:00:00Z", { operation: "verify", proven: null, outcome: "failed" }),
    await runAt("2026-11-01T15:00:00Z", { operation: "verify" }),
    await runAt("2026-11-02T10:00:00Z", { operation: "copy", outcome: "interrupted" }),
  ];
  for (const place of places) for (const run of both) await recordEnded(place, run, noAbort());
  // One place was not there for the end; of the other nobody will ever write one.
  const [first, second] = places as [Repository, Repository];
  const seen = await runAt("2026-11-02T11:00:00Z", {});
  const gone = { ...seen.by, pid: 4_194_304, processStart: "1" };
  await recordBegun(first, { ...seen, by: gone, finishedAt: null, outcome: null }, noAbort());
  await recordEnded(second, seen, noAbort());
  const dead = await runAt("2026-11-02T11:30:00Z", { by: gone, finishedAt: null, outcome: null });
  await recordBegun(first, dead, noAbort());
  const running = await runAt("2026-11-02T11:45:00Z", { finishedAt: null, outcome: null });
  await recordBegun(first, running, noAbort());

  const request = { database: "data", days: lastDays(NOW, 3, "Europe/Berlin") };
  const expected = [
    { day: "2026-10-31", backups: 2, proofs: 0, failures: 0, degraded: 1 },
    { day: "2026-11-01", backups: 0, proofs: 1, failures: 1, degraded: 0 },
    { day: "2026-11-02", backups: 1, proofs: 0, failures: 2, degraded: 0 },
  ];
  expect(await countRunDays(testRuntime(), places, request, noAbort())).toEqual(expected);
  expect(await countRunDays(runtime, places, request, noAbort())).toEqual(expected);
  expect(await readdir(join(cache.path, "handled/history"))).toHaveLength(2);
  expect(await countRunDays(runtime, places, request, noAbort())).toEqual(expected);
  expect([...runtime.notes, ...runtime.warnings]).toEqual([]);
});
