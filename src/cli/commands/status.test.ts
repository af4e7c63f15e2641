import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { jsonOf, runCli } from "../../../test/support/cli.ts";
import { fileCrontab } from "../../../test/support/crontab.ts";
import { manualClock } from "../../../test/support/manual-clock.ts";
import { noAbort } from "../../../test/support/runtime.ts";
import type { Sample } from "../../../test/support/sample-backup.ts";
import { sampleRepository } from "../../../test/support/sample-repository.ts";
import { StatusJson } from "../../json/status.ts";

const clock = manualClock();
const FRESH = { id: "20241211T020000Z-0001", database: "fresh" };
const STALE = { id: "20241209T020000Z-0002", database: "stale" };

const STRATEGY = `version: 1
timezone: UTC
repositories:
  local: { url: ./repository }
  file: { url: ./handled.yaml }
databases:
  fresh:
    url: service=fresh
    criticality: critical
    repository: local
    backups:
      - { name: nightly, schedule: "0 2 * * *", keep: { days: 7 } }
      - { name: hourly, kind: snapshot, schedule: "15 * * * *", keep: { last: 24 } }
  stale: { url: service=stale, repository: local, backups: [{ name: nightly, schedule: "0 2 * * *" }] }
  never: { url: service=never, repository: local }
  unreadable: { url: service=unreadable, repository: file }
`;

async function withStrategy(samples: readonly Sample[] = [FRESH, STALE]) {
  const there = await sampleRepository(samples);
  const crontab = await fileCrontab();
  await writeFile(join(there.path, "handled.yaml"), STRATEGY);
  return {
    ...there,
    options: { clock, cwd: there.path, env: crontab.env },
    [Symbol.asyncDispose]: async () => {
      await crontab[Symbol.asyncDispose]();
      await there[Symbol.asyncDispose]();
    },
  };
}

const cellsOf = (stdout: string): string[][] => stdout.split("\n").map((line) => line.split(/ {2,}/));

describe("handled status", () => {
  test("a database within its RPO is healthy; each of its backups has a line, also one that was never taken", async () => {
    await using there = await withStrategy([{ ...FRESH, schedule: "nightly" }, STALE]);
    const installed = await runCli(["schedule", "install", "--log", "handled.log"], there.options);
    expect(installed.code, installed.stderr).toBe(0);
    const result = await runCli(["status", "fresh"], there.options);
    expect(result).toMatchObject({ code: 0, stderr: "" });
    const [, database, nightly, hourly] = cellsOf(result.stdout);
    const [night, hour] = ["2024-12-12 02:00:00 (in 11 h 29 min)", "2024-12-11 15:15:00 (in 44 min 38 s)"];
    const taken = "2024-12-11 02:00:00";
    // The next run is the first of all its schedules.
    expect(database).toEqual(["fresh", "✓ healthy", taken, "12 h 30 min", "1 d", "1", "32 B", hour]);
    expect(nightly).toEqual(["", "nightly (archive)", taken, "1", "32 B", night]);
    expect(hourly).toEqual(["", "hourly (snapshot)", "none", "0", "0 B", hour]);
  });

  test("a run that nothing will start is not announced", async () => {
    await using there = await withStrategy();
    const none = await runCli(["status", "stale"], there.options);
    expect(none.stdout).toMatch(/^stale .* not installed$/m);
    expect(none.stdout).toContain("`handled schedule install` sees to that");
    const { databases } = StatusJson.parse(
      jsonOf(await runCli(["status", "stale", "--json"], there.options)),
    );
    expect(databases[0]?.entries).toEqual([
      {
        name: "nightly",
        kind: "archive",
        newest: null,
        backups: 0,
        storedBytes: 0,
        nextRun: "2024-12-12T02:00:00.000Z",
        installed: false,
      },
    ]);
    await runCli(["schedule", "install", "--log", "handled.log"], there.options);
    const after = await runCli(["status", "stale"], there.options);
    expect(after.stdout).toMatch(/^stale .* 2024-12-12 02:00:00 \(in .*\)$/m);
  });

  test("a backup of some schemas does not stand in for the whole database", async () => {
    await using there = await withStrategy([
      { ...STALE, id: "20241211T120000Z-0001", schemas: ["public"] },
      STALE,
    ]);
    const result = await runCli(["status", "stale"], there.options);
    expect(result.code).toBe(4);
    expect(result.stdout).toContain("✗ stale: the newest backup is 2 d 12 h old");
    await using other = await withStrategy([{ ...STALE, schemas: ["public"] }]);
    expect((await runCli(["status", "stale"], other.options)).stdout).toContain(
      "✗ stale: no backup has all schemas of the strategy",
    );
  });

  test("says of each unhealthy database what is wrong and what to do; one unreadable repository hides nothing", async () => {
    await using there = await withStrategy();
    const result = await runCli(["status"], there.options);
    expect(result.code).toBe(4);
    expect(result.stdout).toContain("✓ healthy");
    expect(result.stdout).toContain(
      "✗ stale: the newest backup is 2 d 12 h old, the RPO is 1 d\n" +
        "  hint: `handled backup stale` takes one now; `handled schedule show` tells whether the schedule is installed\n" +
        "✗ never: there is no backup\n" +
        "  hint: `handled backup never` takes one now\n" +
        "✗ unreadable: ",
    );
  });

  test("JSON is as documented", async () => {
    await using there = await withStrategy();
    const result = await runCli(["status", "--json"], there.options);
    expect(result.code).toBe(4);
    expect(StatusJson.parse(jsonOf(result))).toMatchObject({
      healthy: false,
      databases: [
        {
          database: "fresh",
          criticality: "critical",
          healthy: true,
          problems: [],
          dataAtRiskMs: (12 * 3600 + 30 * 60 + 22) * 1000,
          rpoMs: 86_400_000,
          nextRun: "2024-12-11T15:15:00.000Z",
        },
        { database: "stale", healthy: false },
        { database: "never", newest: null, dataAtRiskMs: null, nextRun: null },
        { database: "unreadable", healthy: false, dataAtRiskMs: null },
      ],
    });
  });

  test("a repository alone is enough; without objectives only the age is told", async () => {
    await using there = await withStrategy();
    const result = await runCli(["status", "--repository", there.place], { clock });
    expect(result).toMatchObject({ code: 0, stderr: "" });
    expect(result.stdout).toMatch(/^fresh +✓ healthy +\S+ \S+ +12 h 30 min +- +1 /m);
    expect(result.stdout).toMatch(/^stale +✓ healthy +\S+ \S+ +2 d 12 h +- +1 /m);
  });

  test("a backup from the future is a wrong clock, not a fresh backup", async () => {
    await using there = await sampleRepository([{ id: "20250101T000000Z-0001" }]);
    const result = await runCli(["status", "--repository", there.place], { clock });
    expect(result.code).toBe(4);
    expect(result.stdout).toContain("in the future: a clock is wrong");
  });

  test("what is damaged of the records and lists beside the backups is told, and hides nothing", async () => {
    await using there = await withStrategy([{ ...FRESH, schedule: "nightly" }]);
    const { storage } = there.repository;
    const signal = noAbort();
    const garbage = Buffer.from("\0{");
    const record = "fresh/records/runs/2024-12/20241211T020000.000Z-00000001.json";
    for (const key of [
      record,
      `fresh/records/proofs/20241211T030000.000Z-${FRESH.id}.json`,
      "fresh/records/runs/begun/20241211T020000.000Z-00000002.json",
      `fresh/backups/${FRESH.id}/tables`,
    ]) {
      await storage.put(key, garbage, signal);
    }
    const result = await runCli(["status", "fresh"], there.options);
    expect(result.code).toBe(4);
    expect(result.stdout).toContain(`✗ fresh: backup ${FRESH.id} is damaged: read fresh/backups/`);
    expect(result.stderr).toContain(record);
    expect(result.stderr).toContain("this proof is passed over");
  });
});
