import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { jsonOf, runCli } from "../../../test/support/cli.ts";
import { manualClock } from "../../../test/support/manual-clock.ts";
import { sampleRepository } from "../../../test/support/sample-repository.ts";
import { StatusJson } from "../json.ts";

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
      - { name: hourly, schedule: "15 * * * *", keep: { last: 24 } }
  stale: { url: service=stale, repository: local, backups: [{ name: nightly, schedule: "0 2 * * *" }] }
  never: { url: service=never, repository: local }
  unreadable: { url: service=unreadable, repository: file }
`;

async function withStrategy() {
  const there = await sampleRepository([FRESH, STALE]);
  await writeFile(join(there.path, "handled.yaml"), STRATEGY);
  return there;
}

describe("handled status", () => {
  test("a database within its RPO is healthy; the next run is the first of all its schedules", async () => {
    await using there = await withStrategy();
    const result = await runCli(["status", "fresh"], { clock, cwd: there.path });
    expect(result).toMatchObject({ code: 0, stderr: "" });
    const [, line] = result.stdout.split("\n");
    expect(line?.split(/ {2,}/)).toEqual([
      "fresh",
      "✓ healthy",
      "2024-12-11 02:00:00",
      "12 h 30 min",
      "1 d",
      "1",
      "32 B",
      "2024-12-11 15:15:00 (in 44 min 38 s)",
    ]);
  });

  test("says of each unhealthy database what is wrong and what to do; one unreadable repository hides nothing", async () => {
    await using there = await withStrategy();
    const result = await runCli(["status"], { clock, cwd: there.path });
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
    const result = await runCli(["status", "--json"], { clock, cwd: there.path });
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
});
