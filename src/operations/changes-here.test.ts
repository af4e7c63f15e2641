import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { manualClock } from "../../test/support/manual-clock.ts";
import { temporaryFolder } from "../../test/support/temporary-folder.ts";
import { BY_DAEMON } from "../config/load.ts";
import { makeRuntime } from "../lib/runtime.ts";
import { lastChange, noteChange } from "./changes-here.ts";

const [ONE, OTHER] = [{ place: "/backups" }, { place: "s3://bucket/backups" }];

test("when a place was changed is noted; what a daemon has started leaves it to the daemon", async () => {
  await using home = await temporaryFolder();
  await mkdir(join(home.path, "handled"));
  const clock = manualClock();
  const runtime = makeRuntime({ clock, env: { XDG_STATE_HOME: home.path } });
  const notes = async (): Promise<string[]> => [
    await lastChange(runtime, [ONE]),
    await lastChange(runtime, [OTHER]),
    await lastChange(runtime, [ONE, OTHER]),
  ];
  expect(await notes()).toEqual(["", "", ""]);
  const first = clock.now().toISOString();
  await noteChange(runtime, [ONE, OTHER]);
  expect(await notes()).toEqual([first, first, first]);
  await clock.advance(1);
  const second = clock.now().toISOString();
  await noteChange(runtime, [ONE]);
  expect(await notes()).toEqual([second, first, second]);
  await clock.advance(1);
  await noteChange({ ...runtime, env: { ...runtime.env, [BY_DAEMON]: "1" } }, [ONE, OTHER]);
  expect(await notes()).toEqual([second, first, second]);
});

test("where no daemon keeps anything, nothing is made", async () => {
  await using home = await temporaryFolder();
  const runtime = makeRuntime({ env: { XDG_STATE_HOME: home.path } });
  await noteChange(runtime, [ONE]);
  expect(await readdir(home.path)).toEqual([]);
  expect(await lastChange(runtime, [ONE])).toBe("");
});
