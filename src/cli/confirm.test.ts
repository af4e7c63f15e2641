import { PassThrough } from "node:stream";
import { stripVTControlCharacters } from "node:util";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { testRuntime } from "../../test/support/runtime.ts";
import type { Cli } from "./cli.ts";
import { confirmByName } from "./confirm.ts";
import { Output } from "./output.ts";

let asked = "";
beforeEach(() => {
  asked = "";
  // The question goes to the process's own standard error, which belongs to the test runner.
  vi.spyOn(process.stderr, "write").mockImplementation((text) => {
    asked += String(text);
    return true;
  });
});
afterEach(() => void vi.restoreAllMocks());

interface Typist {
  readonly cli: Cli;
  readonly typed: PassThrough;
  readonly stop: AbortController;
}

/** A command line that somebody sits at; what they type is written to `typed`. */
function typist(): Typist {
  const runtime = testRuntime();
  const typed = new PassThrough();
  const stop = new AbortController();
  const nowhere = { write: () => true };
  const options = { json: false, quiet: false, verbose: false, color: false };
  const cli: Cli = {
    runtime,
    output: new Output({ stdout: nowhere, stderr: nowhere }, options, runtime.secrets, () => 0),
    signal: stop.signal,
    cwd: "/",
    node: "node",
    script: "main.ts",
    input: typed as unknown as NodeJS.ReadStream,
    piped: undefined,
    config: undefined,
    onHangup: () => undefined,
    exitWith: () => {},
  };
  return { cli, typed, stop };
}

const WHAT = "shop will be replaced";

async function answer(text: string): Promise<void> {
  const { cli, typed } = typist();
  const confirmed = confirmByName(cli, WHAT, "shop", false);
  typed.write(text);
  await confirmed;
}

test("the name, typed, is a yes", async () => {
  await answer("shop\r");
  expect(stripVTControlCharacters(asked)).toContain(`${WHAT}. Type shop to go on`);
});

test.each([
  ["another name", "shopp\r"],
  ["the name in capitals", "SHOP\r"],
  ["yes", "yes\r"],
  ["nothing", "\r"],
  ["Ctrl-C", "\u0003"],
  ["Escape", "\u001b"],
])("%s is a no", async (_, text) => {
  await expect(answer(text)).rejects.toMatchObject({
    code: "not_confirmed",
    message: `${WHAT}: not confirmed`,
    hint: expect.stringContaining("nothing was changed") as string,
  });
});

test("--yes agrees beforehand: nobody is asked", async () => {
  await confirmByName({ ...typist().cli, input: undefined }, WHAT, "shop", true);
  expect(asked).toBe("");
});

test("where nobody can type, the answer is no", async () => {
  await expect(
    confirmByName({ ...typist().cli, input: undefined }, WHAT, "shop", false),
  ).rejects.toMatchObject({ code: "not_confirmed", hint: "add `--yes` in scripts" });
  expect(asked).toBe("");
});

test("a signal ends the question with its reason", async () => {
  const { cli, stop } = typist();
  const confirmed = confirmByName(cli, WHAT, "shop", false);
  const reason = new Error("stopped by SIGTERM");
  stop.abort(reason);
  await expect(confirmed).rejects.toBe(reason);
});

test("the end of the input is a no, not a wait for ever", async () => {
  const { cli, typed } = typist();
  const confirmed = confirmByName(cli, WHAT, "shop", false);
  typed.end();
  await expect(confirmed).rejects.toMatchObject({ code: "not_confirmed" });
});
