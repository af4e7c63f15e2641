import { readdir, rm, writeFile } from "node:fs/promises";
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
  /** Writes a module that lets a process stand still in the transaction that makes it so many rows; it says so by a file. */
  const stopBefore = async (rows: number): Promise<string> => {
    const module = join(folder.path, `before-${rows}.mjs`);
    await writeFile(
      module,
      `import { writeFileSync } from "node:fs";
       import { DatabaseSync } from "node:sqlite";
       const { exec } = DatabaseSync.prototype;
       DatabaseSync.prototype.exec = function (sql) {
         if (sql === "commit" && this.prepare("select total_changes() as n").get().n >= ${rows}) {
           writeFileSync(${JSON.stringify(join(folder.path, "stopped"))}, "");
           Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
         }
         return exec.call(this, sql);
       };`,
    );
    return module;
  };
  for (const written of [1, 3000]) {
    const child = spawnCli([...args, "--rebuild"], { env, node: ["--import", await stopBefore(written)] });
    await expect
      .poll(async () => child.ended() || (await readdir(folder.path)).includes("stopped"))
      .toBe(true);
    expect((await files()).filter((name) => name.endsWith("-journal"))).toHaveLength(1);
    process.kill(child.pid, "SIGKILL");
    expect((await child.result).code).toBe(null);
    await rm(join(folder.path, "stopped"));
    expect(await told()).toEqual(expected);
  }
  const both = [spawnCli([...args, "--rebuild"], { env }), spawnCli([...args, "--rebuild"], { env })];
  for (const { result } of both) expect(HistoryJson.parse(jsonOf(await result))).toEqual(expected);
  expect(await told()).toEqual(expected);
  expect(await told(["--rebuild"])).toEqual(expected);
});
