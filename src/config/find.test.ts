import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { testRuntime } from "../../test/support/runtime.ts";
import { temporaryFolder } from "../../test/support/temporary-folder.ts";
import { makeRuntime } from "../lib/runtime.ts";
import { findStrategy, strategyPlaces } from "./find.ts";

async function touch(path: string): Promise<string> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, "");
  return path;
}

test("the working folder comes first, then the user's, then the machine's", async () => {
  await using home = await temporaryFolder();
  const runtime = makeRuntime({ env: { HOME: home.path } });
  const cwd = join(home.path, "work");
  expect(strategyPlaces(runtime, cwd)).toEqual([
    join(cwd, "handled.yaml"),
    join(home.path, ".config/handled/handled.yaml"),
    "/etc/handled/handled.yaml",
  ]);
  const ofUser = await touch(join(home.path, ".config/handled/handled.yaml"));
  expect(await findStrategy(runtime, undefined, cwd)).toBe(ofUser);
  const here = await touch(join(cwd, "handled.yaml"));
  expect(await findStrategy(runtime, undefined, cwd)).toBe(here);
});

test("XDG_CONFIG_HOME takes the place of ~/.config when it is absolute", () => {
  const places = (xdg: string): string[] =>
    strategyPlaces(makeRuntime({ env: { HOME: "/home/ada", XDG_CONFIG_HOME: xdg } }), "/work");
  expect(places("/xdg")[1]).toBe("/xdg/handled/handled.yaml");
  expect(places("xdg")[1]).toBe("/home/ada/.config/handled/handled.yaml");
  expect(places("")[1]).toBe("/home/ada/.config/handled/handled.yaml");
});

test("cron jobs without HOME look in two places only", () => {
  expect(strategyPlaces(makeRuntime(), "/")).toEqual(["/handled.yaml", "/etc/handled/handled.yaml"]);
});

test("a named file is relative to the working folder and must be there", async () => {
  await using home = await temporaryFolder();
  const named = await touch(join(home.path, "team.yaml"));
  expect(await findStrategy(makeRuntime(), "team.yaml", home.path)).toBe(named);
  await expect(findStrategy(makeRuntime(), "tea.yaml", home.path)).rejects.toMatchObject({
    code: "strategy_missing",
    message: `find strategy ${join(home.path, "tea.yaml")}: there is no such file`,
  });
  await expect(findStrategy(makeRuntime(), "team.yaml/x", home.path)).rejects.toMatchObject({
    code: "strategy_missing",
  });
});

test("a place that cannot be looked into is skipped with a warning, a named one is an error", async () => {
  await using home = await temporaryFolder();
  // Longer than any file system takes: fails with a code that is not "no such file", also for root.
  const closed = join(home.path, "x".repeat(300));
  const runtime = testRuntime({ env: { XDG_CONFIG_HOME: home.path } });
  const ofUser = await touch(join(home.path, "handled/handled.yaml"));
  expect(await findStrategy(runtime, undefined, closed)).toBe(ofUser);
  expect(runtime.warnings).toEqual([expect.stringContaining("ENAMETOOLONG")]);
  await expect(findStrategy(runtime, closed, "/")).rejects.toMatchObject({ code: "strategy_invalid" });
});
