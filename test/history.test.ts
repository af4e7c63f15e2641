import { readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { HistoryJson } from "../src/json/history.ts";
import { type CliOptions, type CliResult, jsonOf, runCli, spawnCli } from "./support/cli.ts";
import { freshPlace } from "./support/fresh-place.ts";
import { lockTable } from "./support/lock-table.ts";
import { type FreshDatabase, freshDatabase, temporaryFolder } from "./support/postgres.ts";

let live: FreshDatabase;
beforeAll(async () => {
  live = await freshDatabase({ sql: "create table item as select generate_series(1, 100) as id" });
});
afterAll(async () => await live[Symbol.asyncDispose]());

const backUp = async (place: string, args: string[] = [], options: CliOptions = {}): Promise<CliResult> =>
  await runCli(["backup", "data", "--url", live.url, "--repository", place, ...args], options);

async function historyOf(place: string, ...args: string[]): Promise<HistoryJson> {
  return HistoryJson.parse(
    jsonOf(await runCli(["history", "data", "--repository", place, "--json", ...args])),
  );
}

test("what ran is told, newest first: who, when, what, how much, and why it failed", async () => {
  await using place = await freshPlace();
  expect(await backUp(place.url)).toMatchObject({ code: 0 });
  expect(await runCli(["verify", "data", "--repository", place.url])).toMatchObject({ code: 0 });
  const into = `${live.name}_history`;
  const from = ["--url", live.url, "--repository", place.url];
  const restored = await runCli(["restore", "data", ...from, "--new-database", into]);
  expect(restored, restored.stderr).toMatchObject({ code: 0 });
  await live.query(`drop database ${into}`);
  await runCli(["prune", "data", "--repository", place.url, "--keep", "last=1"]);
  const failed = await backUp(place.url, ["--schema", "nowhere"]);
  expect(failed.code).not.toBe(0);
  const { runs, more } = await historyOf(place.url);
  expect(more).toBe(false);
  expect(runs.map(({ operation, outcome }) => [operation, outcome])).toEqual([
    ["backup", "failed"],
    ["prune", "done"],
    ["restore", "done"],
    ["verify", "done"],
    ["backup", "done"],
  ]);
  const [backup, , restore] = runs.toReversed();
  expect(backup).toMatchObject({ rows: 100, user: expect.any(String), error: null });
  expect(restore?.backup).toBe(backup?.backup);
  expect(restore?.summary).toContain(into);
  expect(runs[0]?.error).toMatchObject({ message: expect.stringContaining("nowhere") });
  const text = await runCli(["history", "data", "--repository", place.url]);
  expect(text.stdout).toContain("✗ failed");
  const some = await historyOf(place.url, "--last", "1", "--operation", "backup");
  expect(some).toMatchObject({ more: true, runs: [{ outcome: "failed" }] });
  expect((await historyOf(place.url, "--failed")).runs).toHaveLength(1);
});

test("what only looks is not recorded: dry runs, and commands that were used wrongly", async () => {
  await using place = await freshPlace();
  await backUp(place.url);
  await runCli(["prune", "data", "--repository", place.url, "--dry-run", "--keep", "last=1"]);
  await runCli(["restore", "data", "--url", live.url, "--repository", place.url, "--dry-run"]);
  await runCli(["restore", "data", "--url", live.url, "--repository", place.url, "--swap"]);
  expect((await historyOf(place.url)).runs).toHaveLength(1);
});

test("a mistyped name leaves no trace in the repository", async () => {
  await using folder = await temporaryFolder();
  await backUp(folder.path);
  const before = (await readdir(folder.path)).toSorted();
  for (const command of ["verify", "prune"]) await runCli([command, "dta", "--repository", folder.path]);
  await runCli(["restore", "dta", "--url", live.url, "--repository", folder.path]);
  expect((await readdir(folder.path)).toSorted()).toEqual(before);
  const { stderr } = await runCli(["history", "dta", "--repository", folder.path]);
  expect(stderr).toContain("has nothing of dta: it has data");
});

describe("a run that ends without a word", () => {
  test("killed, it is shown as interrupted, and written down by the next", async () => {
    await using place = await freshPlace();
    await backUp(place.url);
    await using _locked = await lockTable(live.url, "item");
    const running = spawnCli(["backup", "data", "--url", live.url, "--repository", place.url]);
    await expect
      .poll(async () => (await historyOf(place.url)).runs[0])
      .toMatchObject({ outcome: null, finishedAt: null });
    process.kill(running.pid, "SIGKILL");
    await running.result;
    expect((await historyOf(place.url)).runs[0]).toMatchObject({ outcome: "interrupted" });
    await runCli(["verify", "data", "--repository", place.url, "--level", "integrity"]);
    const { runs } = await historyOf(place.url);
    expect(runs.map(({ operation, outcome }) => `${operation} ${outcome}`)).toEqual([
      "verify done",
      "backup interrupted",
      "backup done",
    ]);
  });

  test("stopped by a signal, it says so itself", async () => {
    await using place = await freshPlace();
    await backUp(place.url);
    const stop = new AbortController();
    await using _locked = await lockTable(live.url, "item");
    const result = backUp(place.url, [], { signal: stop.signal });
    await expect.poll(async () => (await historyOf(place.url)).runs[0]?.outcome).toBe(null);
    stop.abort(new Error("stopped"));
    await result;
    expect((await historyOf(place.url)).runs[0]).toMatchObject({ outcome: "interrupted", error: {} });
  });
});

describe("several places", () => {
  test("each has the whole history; a run that one has not is told from the other", async () => {
    await using folder = await temporaryFolder();
    const [one, two] = [join(folder.path, "one"), join(folder.path, "two")];
    const both = ["--repository", two];
    await backUp(one, both);
    await rm(two, { recursive: true });
    await writeFile(two, "no folder");
    expect(await backUp(one, both)).toMatchObject({ code: 3 });
    await rm(two);
    const copied = await runCli(["copy", "data", "--repository", one, ...both, "--new-place"]);
    expect(copied, copied.stderr).toMatchObject({ code: 0 });
    const operations = async (...args: string[]): Promise<string[]> =>
      (await historyOf(one, ...args)).runs.map(({ operation, outcome }) => `${operation} ${outcome}`);
    expect(await operations()).toEqual(["copy done", "backup degraded", "backup done"]);
    expect(await operations(...both)).toEqual(["copy done", "backup degraded", "backup done"]);
    expect((await historyOf(two)).runs.map(({ operation }) => operation)).toEqual(["copy"]);
  });
});

test("a repository that cannot be written does not keep a backup from being checked", async () => {
  await using folder = await temporaryFolder();
  await backUp(folder.path);
  const records = join(folder.path, "data/records");
  await rm(records, { recursive: true });
  await writeFile(records, "no folder");
  const result = await runCli(["verify", "data", "--repository", folder.path, "--level", "integrity"]);
  expect(result.stderr).toContain("this run is not recorded");
  expect(result.stdout).toContain("integrity");
});
