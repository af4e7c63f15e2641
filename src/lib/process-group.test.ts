import { expect, test } from "vitest";
import { testRuntime } from "../../test/support/runtime.ts";
import { startGroup } from "./process-group.ts";

async function lastWords(command: string): Promise<string> {
  const env = { PATH: process.env["PATH"] ?? "" };
  const mark = { name: "HANDLED_TEST_GROUP", value: `${process.pid}` };
  const group = await startGroup(testRuntime(), { command, env, mark });
  try {
    expect(await group.ended).toEqual({ code: 3, signal: null });
    return group.tail();
  } finally {
    await group.end();
  }
}

test("when a command has ended all that it said is known, its last line too", async () => {
  for (let times = 0; times < 20; times++)
    expect(await lastWords("echo first; printf 'cannot go on'; exit 3")).toBe("first\ncannot go on");
});

test("what it has left running, which could say more, is not waited for", async () => {
  expect(await lastWords("sleep 600 & echo first; exit 3")).toBe("first");
});
