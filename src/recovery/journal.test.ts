import { mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../../test/support/temporary-folder.ts";
import { makeRuntime } from "../lib/runtime.ts";
import { begunRecoveries, journalPath, writeJournal } from "./journal.ts";

test("recoveries that were begun are found by their scenario, whichever databases they are of", async () => {
  await using folder = await temporaryFolder();
  const runtime = makeRuntime({ env: { XDG_STATE_HOME: folder.path } });
  const begun = async (): Promise<(readonly string[])[]> =>
    await begunRecoveries(runtime, "here", "together");
  expect(await begun()).toEqual([]);
  const begin = async (scenario: "together" | "server-lost", databases: string[]): Promise<void> =>
    await writeJournal(runtime, journalPath(runtime, "here", { scenario, databases }), {
      format: 1,
      scenario,
      databases,
      aim: {},
      steps: [],
      startedAt: "2026-01-01T12:00:00.000Z",
      confirmed: [],
      begun: [],
    });
  await begin("together", ["b-", "a"]);
  await begin("together", ["orders", "stock"]);
  await begin("server-lost", ["together-x"]);
  expect(await begun()).toEqual([
    ["b-", "a"],
    ["orders", "stock"],
  ]);
  const damaged = journalPath(runtime, "here", { scenario: "together", databases: ["c"] });
  await mkdir(dirname(damaged), { recursive: true });
  await writeFile(damaged, "{");
  await expect(begun()).rejects.toThrow("it is damaged");
});
