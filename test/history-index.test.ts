import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { HistoryJson } from "../src/json/history.ts";
import { jsonOf, runCli, spawnCli } from "./support/cli.ts";
import { fillRuns } from "./support/many-runs.ts";
import { temporaryFolder } from "./support/postgres.ts";

test("killed in the middle of taking over, and two at once: the next says what the repository says", async () => {
  await using folder = await temporaryFolder();
  // Without encryption: the records are what counts, and these are written as if years had passed.
  const place = join(folder.path, "place");
  await fillRuns(place, 6000, 30);
  const args = ["history", "data", "--repository", place, "--json", "--failed", "--last", "200"];
  const env = { XDG_CACHE_HOME: folder.path };
  const told = async (more: string[] = [], cache: Record<string, string> = env): Promise<HistoryJson> =>
    HistoryJson.parse(jsonOf(await runCli([...args, ...more], { env: cache })));
  const expected = await told([], { HOME: "", XDG_CACHE_HOME: "" });
  expect(expected.runs).toHaveLength(120);
  const files = async (): Promise<string[]> =>
    await readdir(join(folder.path, "handled/history")).catch(() => []);
  for (let times = 0; times < 2; times++) {
    const child = spawnCli([...args, "--rebuild"], { env });
    // In the middle of a transaction.
    await expect
      .poll(async () => child.ended() || (await files()).some((name) => name.endsWith("-journal")), {
        timeout: 20_000,
        interval: 1,
      })
      .toBe(true);
    process.kill(child.pid, "SIGKILL");
    expect((await child.result).code).toBe(null);
    expect(await told()).toEqual(expected);
  }
  const both = [spawnCli([...args, "--rebuild"], { env }), spawnCli([...args, "--rebuild"], { env })];
  for (const { result } of both) expect(HistoryJson.parse(jsonOf(await result))).toEqual(expected);
  expect(await told()).toEqual(expected);
  expect(await told(["--rebuild"])).toEqual(expected);
});
