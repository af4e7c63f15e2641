import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { systemClock } from "../lib/clock.ts";
import { temporaryFolder } from "../../test/support/temporary-folder.ts";
import { Jobs } from "./jobs.ts";

test("a database is free before anybody can learn that what was done with it has ended", async () => {
  await using there = await temporaryFolder();
  const folder = join(there.path, "jobs");
  await mkdir(folder);
  const program = join(there.path, "program.mjs");
  await writeFile(program, "setInterval(() => undefined, 1000);");
  const gone = Promise.withResolvers<string | undefined>();
  await using jobs = await Jobs.open({
    clock: systemClock,
    env: {},
    folder,
    program: { node: process.execPath, program, strategyPath: join(there.path, "none"), cwd: there.path },
    onGone: () => gone.resolve(jobs.busyWith("data")),
    onEnd: () => undefined,
  });
  const asked = {
    database: "data",
    options: {},
    command: [],
    by: "ada",
    occupies: ["data"],
    deadlineMs: 60_000,
  };
  const { id } = await jobs.start({ ...asked, kind: "backup" });
  expect(jobs.busyWith("data")).toBe(`backup ${id}, by ada`);
  await jobs.cancel(id, "ada");
  expect(await gone.promise).toBeUndefined();
});
