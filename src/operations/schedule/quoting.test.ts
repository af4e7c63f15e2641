import { spawnSync } from "node:child_process";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { cronCommand } from "../../../test/support/cron.ts";
import { quoteForCrontab, quoteForShell, quoteForSystemd, systemdValue } from "./quoting.ts";

// What no path can hold (NUL), and what no line of a crontab or unit can hold (line ends).
const word = fc
  .oneof(
    fc.string({ unit: "binary" }),
    fc.array(fc.constantFrom("\\", "%", "'", '"', "$", "`", " ", "!", "~", "é", "a")).map((a) => a.join("")),
  )
  .filter((text) => !/[\0\r\n]/.test(text) && text.isWellFormed());

// One shell for all words: thousands of shells would take a minute.
const printed = (words: readonly string[]): string[] => {
  const script = words.map((quoted) => `printf '%s\\0' ${quoted}`).join("\n");
  const { stdout, status } = spawnSync("/bin/sh", ["-c", script], { encoding: "utf8" });
  expect(status).toBe(0);
  return stdout.split("\0").slice(0, -1);
};

test("the shell reads back every word", () => {
  fc.assert(
    fc.property(fc.array(word, { minLength: 20, maxLength: 60 }), (words) => {
      expect(printed(words.map(quoteForShell))).toEqual(words);
    }),
    { numRuns: 30 },
  );
});

test("the shell reads back every word after cron has dealt with backslash and percent", () => {
  fc.assert(
    fc.property(fc.array(word, { minLength: 20, maxLength: 60 }), (words) => {
      const seenByShell = words.map((text) => cronCommand(quoteForCrontab(text)));
      expect(printed(seenByShell)).toEqual(words);
    }),
    { numRuns: 30 },
  );
});

test("ordinary words stay legible", () => {
  expect(quoteForCrontab("/usr/bin/node")).toBe("/usr/bin/node");
  expect(quoteForShell("it's")).toBe(String.raw`'it'\''s'`);
  expect(quoteForCrontab("/a b")).toBe("'/a b'");
  expect(quoteForSystemd("/opt/handled/bin")).toBe("/opt/handled/bin");
});

test("specifiers and variables mean nothing to systemd", () => {
  expect(quoteForSystemd("100%h $HOME")).toBe('"100%%h $$HOME"');
  expect(quoteForSystemd(String.raw`a"b\c`)).toBe(String.raw`"a\"b\\c"`);
  expect(systemdValue("/var/log/50% off.log")).toBe("/var/log/50%% off.log");
});
