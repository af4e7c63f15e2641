import { access, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fileCrontab, realCrontab, writeProgram } from "../../../test/support/crontab.ts";
import { makeRuntime } from "../../lib/runtime.ts";
import { installCrontab, removeCrontab, showCrontab } from "./crontab.ts";

const { signal } = new AbortController();
const STRATEGY = "/etc/handled/handled.yaml";
const LINES = ["0 2 * * * /usr/bin/node run"];

// Any bytes, and often those that a listing may show differently from what they are.
const pieces = fc
  .array(fc.oneof(fc.uint8Array({ maxLength: 9 }), fc.constantFrom("\r\n", "\r", "\b", "\\r", "\\b", "\\")), {
    maxLength: 9,
  })
  .map((parts) => Buffer.concat(parts.map((part) => Buffer.from(part as string))));

test("foreign bytes survive installing twice and removing", async () => {
  await using crontab = await fileCrontab();
  const runtime = makeRuntime({ env: crontab.env });
  await fc.assert(
    fc.asyncProperty(pieces, async (before) => {
      await crontab.store(before);
      expect(await installCrontab(runtime, STRATEGY, LINES, signal)).toEqual({ changed: true });
      const installed = await crontab.stored();
      expect(await installCrontab(runtime, STRATEGY, LINES, signal)).toEqual({ changed: false });
      expect(await crontab.stored()).toEqual(installed);
      expect(await removeCrontab(runtime, STRATEGY, signal)).toEqual({ changed: true });
      // cron ignores a last line without an end, and `crontab` does not take one: it gets its end.
      const complete = before.length === 0 || before.at(-1) === 0x0a ? "" : "\n";
      expect(await crontab.stored()).toEqual(Buffer.concat([before, Buffer.from(complete)]));
    }),
    { numRuns: 20 },
  );
});

test("a user without a crontab gets one, and shows what stands in it", async () => {
  await using crontab = await fileCrontab();
  const runtime = makeRuntime({ env: crontab.env });
  expect(await showCrontab(runtime, STRATEGY, signal)).toBeUndefined();
  expect(await removeCrontab(runtime, STRATEGY, signal)).toEqual({ changed: false });
  expect(await crontab.stored()).toBeUndefined();
  await installCrontab(runtime, STRATEGY, LINES, signal);
  expect(await showCrontab(runtime, STRATEGY, signal)).toEqual(LINES);
});

describe("somebody else saving in the same moment", () => {
  test("keeps their lines, and ours get in", async () => {
    // The first time, an editor's older copy is stored after ours.
    const editor = `if [ ! -e "$store.edited" ]; then touch "$store.edited"; echo '1 1 1 1 1 theirs' > "$store.new"; fi`;
    await using crontab = await fileCrontab(editor);
    await crontab.store(Buffer.from("1 1 1 1 1 old\n"));
    await installCrontab(makeRuntime({ env: crontab.env }), STRATEGY, LINES, signal);
    const stored = String(await crontab.stored());
    expect(stored).toContain("1 1 1 1 1 theirs\n");
    expect(stored).toContain(LINES[0]);
  });

  test("all the time is an error, not a false success", async () => {
    await using crontab = await fileCrontab(`echo '1 1 1 1 1 theirs' > "$store.new"`);
    await expect(
      installCrontab(makeRuntime({ env: crontab.env }), STRATEGY, LINES, signal),
    ).rejects.toMatchObject({ code: "tool_failed", hint: expect.stringContaining("crontab -l") as string });
  });
});

describe("a crontab that cannot be read is never taken for an empty one", () => {
  test.each([
    [
      "exit 1 with another reason",
      "echo 'you (tester) are not allowed to use this program (crontab)' >&2; exit 1",
    ],
    ["exit 1 without a reason", "exit 1"],
    ["exit 2", "echo 'no crontab for tester' >&2; exit 2"],
    ["more than that answer", "echo 'no crontab for tester' >&2; echo 'disk failure' >&2; exit 1"],
  ])("%s", async (_, script) => {
    await using programs = await programFolder();
    const wrote = join(programs.folder, "wrote");
    await writeProgram(join(programs.folder, "crontab"), `[ "$1" = - ] && touch '${wrote}'\n${script}`);
    const runtime = makeRuntime({ env: { PATH: `${programs.folder}:/usr/bin:/bin` } });
    await expect(installCrontab(runtime, STRATEGY, LINES, signal)).rejects.toMatchObject({
      code: "tool_failed",
    });
    await expect(showCrontab(runtime, STRATEGY, signal)).rejects.toMatchObject({ code: "tool_failed" });
    await expect(access(wrote)).rejects.toMatchObject({ code: "ENOENT" });
  });

  test("control characters that it does not tell are an error", async () => {
    await using programs = await programFolder();
    const wrote = join(programs.folder, "wrote");
    const script = `case $1 in -l) echo '# one\\\\r' ;; -e) echo '# two' ;; *) touch '${wrote}' ;; esac`;
    await writeProgram(join(programs.folder, "crontab"), script);
    const runtime = makeRuntime({ env: { PATH: `${programs.folder}:/usr/bin:/bin` } });
    await expect(installCrontab(runtime, STRATEGY, LINES, signal)).rejects.toThrow("control characters");
    await expect(access(wrote)).rejects.toMatchObject({ code: "ENOENT" });
  });

  test("no cron at all says what to install", async () => {
    await using programs = await programFolder();
    const runtime = makeRuntime({ env: { PATH: programs.folder } });
    await expect(installCrontab(runtime, STRATEGY, LINES, signal)).rejects.toMatchObject({
      code: "client_missing",
      hint: expect.stringContaining("apt-get install cron") as string,
    });
  });
});

describe("Debian's own crontab", () => {
  test("takes our lines, keeps the others, and gives them back", async () => {
    await using crontab = await realCrontab();
    const runtime = makeRuntime({ env: crontab.env });
    const lines = [String.raw`*/7 1-3 * * 1,5 '/opt/a b''\%/node' run >> /var/log/handled.log 2>&1`];

    expect(await showCrontab(runtime, STRATEGY, signal)).toBeUndefined();
    expect(await installCrontab(runtime, STRATEGY, lines, signal)).toEqual({ changed: true });
    expect(await showCrontab(runtime, STRATEGY, signal)).toEqual(lines);
    expect(await removeCrontab(runtime, STRATEGY, signal)).toEqual({ changed: true });

    const theirs = Buffer.from('# own\r\nMAILTO=""\n\n0 4 * * * echo \xe9 \\% \\r \b \n#last\n', "latin1");
    await crontab.store(theirs);
    await installCrontab(runtime, STRATEGY, lines, signal);
    expect(await installCrontab(runtime, STRATEGY, lines, signal)).toEqual({ changed: false });
    expect(await showCrontab(runtime, STRATEGY, signal)).toEqual(lines);
    await removeCrontab(runtime, STRATEGY, signal);
    expect(await crontab.stored()).toEqual(theirs);
  });

  test("refuses a line that is no schedule, and keeps what it has", async () => {
    await using crontab = await realCrontab();
    const runtime = makeRuntime({ env: crontab.env });
    await crontab.store(Buffer.from("0 4 * * * true\n"));
    await expect(installCrontab(runtime, STRATEGY, ["99 2 * * * true"], signal)).rejects.toMatchObject({
      code: "tool_failed",
      message: expect.stringContaining("bad minute") as string,
    });
    expect(await crontab.stored()).toEqual(Buffer.from("0 4 * * * true\n"));
  });
});

async function programFolder(): Promise<{ folder: string } & AsyncDisposable> {
  const folder = await mkdtemp(join(tmpdir(), "handled-programs-"));
  return { folder, [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) };
}
