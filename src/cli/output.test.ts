import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Secrets } from "../lib/secrets.ts";
import { describeProgress, Output, type OutputOptions } from "./output.ts";

const CLEAR = "\r\u001b[2K";

/** An output whose two streams are kept, on a clock that stands still. */
function makeOutput(
  options: Partial<OutputOptions> = {},
  terminal: { isTTY?: boolean; columns?: number } = {},
) {
  const written = { stdout: "", stderr: "" };
  const secrets = new Secrets();
  const clock = { now: 0 };
  const output = new Output(
    {
      stdout: { write: (text) => (written.stdout += text) },
      stderr: { write: (text) => (written.stderr += text), ...terminal },
    },
    { json: false, quiet: false, verbose: false, color: false, ...options },
    secrets,
    () => clock.now,
  );
  /** What was written to standard error since the last look. */
  const shown = (): string => {
    const { stderr } = written;
    written.stderr = "";
    return stderr;
  };
  return { output, written, secrets, clock, shown };
}

describe("describeProgress", () => {
  const MIB = 1024 * 1024;
  test.each([
    ["nothing yet", { phase: "dump", bytes: 0 }, 0, "dump"],
    ["bytes", { phase: "dump", bytes: 3 * MIB }, 0, "dump: 3.0 MiB"],
    [
      "everything",
      {
        phase: "dump",
        bytes: 45 * MIB,
        totalBytes: 120 * MIB,
        tables: 3,
        totalTables: 12,
        table: "reference.products",
      },
      2000,
      "dump: 45.0 MiB of about 120 MiB · table 3 of 12 · 22.5 MiB/s · 3.3 s left · reference.products",
    ],
    [
      "no rate in the first second",
      { phase: "dump", bytes: MIB, totalBytes: 2 * MIB },
      999,
      "dump: 1.0 MiB of about 2.0 MiB",
    ],
    ["no total", { phase: "restore", bytes: MIB, tables: 3 }, 1000, "restore: 1.0 MiB · table 3 · 1.0 MiB/s"],
    [
      "indexes, and how much of the work is done",
      { phase: "restore", bytes: MIB, totalBytes: 2 * MIB, indexes: 1, totalIndexes: 4, share: 0.25 },
      2000,
      "restore: 1.0 MiB of about 2.0 MiB · index 1 of 4 · 512 KiB/s · 6.0 s left",
    ],
    [
      "indexes after the last byte",
      { phase: "restore", bytes: 2 * MIB, totalBytes: 2 * MIB, indexes: 3, totalIndexes: 4, share: 0.8 },
      8000,
      "restore: 2.0 MiB · index 3 of 4 · 2.0 s left",
    ],
    // The total is an estimate: more than that is no reason to tell nonsense.
    [
      "more than the total",
      { phase: "dump", bytes: 3 * MIB, totalBytes: 2 * MIB },
      1000,
      "dump: 3.0 MiB · 3.0 MiB/s",
    ],
    [
      "a total of nothing",
      { phase: "dump", bytes: 0, totalBytes: 0, tables: 0, totalTables: 0 },
      5000,
      "dump: table 0 of 0",
    ],
    ["a table only", { phase: "lock", bytes: 0, table: "a.b" }, 0, "lock: a.b"],
    [
      "a name that would break the line",
      { phase: "dump", bytes: 0, table: "a.b\n\u001b[31mc\u0007" },
      0,
      "dump: a.b [31mc ",
    ],
  ])("%s", (_, progress, elapsed, text) => {
    expect(describeProgress(progress, elapsed)).toBe(text);
  });
});

describe("words and data", () => {
  test("data goes to standard output, words to standard error", () => {
    const { output, written } = makeOutput();
    output.text("the list");
    output.json({ a: 1 });
    output.note("done");
    output.warn("look");
    output.error("broken", "mend it");
    output.error("broken", undefined);
    expect(written.stdout).toBe('the list\n{"a":1}\n');
    expect(written.stderr).toBe("done\nwarning: look\nhandled: broken\nhint: mend it\nhandled: broken\n");
  });

  test("a result is text for people or JSON for machines, and only what is asked for is made", () => {
    const people = makeOutput();
    people.output.result({ a: 1 }, () => "one");
    expect(people.written.stdout).toBe("one\n");
    const machines = makeOutput({ json: true });
    machines.output.result({ a: 1 }, () => {
      throw new Error("made for nobody");
    });
    expect(machines.written.stdout).toBe('{"a":1}\n');
  });

  test("quiet leaves out what needs nobody's attention", () => {
    const { output, written, clock } = makeOutput({ quiet: true }, { isTTY: true });
    output.note("done");
    clock.now = 60_000;
    output.progress({ phase: "dump", bytes: 1 });
    output.warn("look");
    output.error("broken", undefined);
    output.text("the list");
    expect(written).toEqual({ stdout: "the list\n", stderr: "warning: look\nhandled: broken\n" });
  });

  test("color is only where it is wanted", () => {
    const { output, shown } = makeOutput({ color: true });
    output.error("broken", "mend it");
    output.warn("look");
    expect(shown()).toBe(
      "\u001b[31mhandled:\u001b[0m broken\n\u001b[36mhint:\u001b[0m mend it\n\u001b[33mwarning:\u001b[0m look\n",
    );
    expect(makeOutput().output.paint("bold", "x")).toBe("x");
  });
});

describe("secrets", () => {
  test("are in nothing that is written", () => {
    const { output, written, secrets, clock } = makeOutput({}, { isTTY: true, columns: 200 });
    const secret = 'p"a\\ss wört';
    secrets.add(secret);
    const url = `postgresql://ada:${encodeURIComponent(secret)}@host/shop`;
    for (const one of [secret, url]) {
      output.text(`in ${one}`);
      output.json({ list: [{ text: `in ${one}` }] });
      output.note(one);
      output.warn(one);
      output.error(one, one);
      clock.now += 1000;
      output.progress({ phase: "dump", bytes: 1, table: one });
    }
    const all = written.stdout + written.stderr;
    for (const form of [secret, encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1), "wört"])
      expect(all).not.toContain(form);
    expect(all.match(/\*\*\*/g)?.length).toBe(14);
  });

  test("are taken out of JSON without breaking it, whatever they look like", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.constantFrom("true", "null", "name", '","flags', '":[tr', "1234", "}]}}", "\\\\\\\\"),
          fc.string({ minLength: 4 }),
        ),
        (secret) => {
          const { output, written, secrets } = makeOutput({ json: true });
          secrets.add(secret);
          const value = { name: `is ${secret}`, flags: [true, null, 12345], nested: { name: "x" } };
          output.json(value);
          const read = JSON.parse(written.stdout) as typeof value;
          expect(Object.keys(read)).toEqual(Object.keys(value));
          expect(read.flags).toEqual(value.flags);
          expect(read.name).not.toContain(secret);
        },
      ),
    );
  });
});

describe("progress", () => {
  const dump = (bytes: number) => ({ phase: "dump", bytes });

  test("in a terminal is one line, drawn again at most ten times a second", () => {
    const { output, clock, shown } = makeOutput({}, { isTTY: true });
    output.progress(dump(1));
    expect(shown()).toBe(`${CLEAR}dump: 1 B`);
    clock.now = 99;
    output.progress(dump(2));
    expect(shown()).toBe("");
    clock.now = 100;
    output.progress(dump(3));
    expect(shown()).toBe(`${CLEAR}dump: 3 B`);
    output.progress({ phase: "read back", bytes: 1 });
    expect(shown()).toBe(`${CLEAR}read back: 1 B`);
  });

  test("in a terminal makes way for words and data", () => {
    const { output, written, shown } = makeOutput({}, { isTTY: true });
    output.progress(dump(1));
    shown();
    output.note("done");
    expect(shown()).toBe(`${CLEAR}done\n`);
    output.note("again");
    expect(shown()).toBe("again\n");
    output.progress({ phase: "list", bytes: 1 });
    shown();
    output.text("data");
    expect(shown()).toBe(CLEAR);
    expect(written.stdout).toBe("data\n");
    output.clear();
    expect(shown()).toBe("");
  });

  test("elsewhere is a line now and then, without what only a terminal understands", () => {
    const { output, clock, shown } = makeOutput();
    output.progress(dump(1));
    clock.now = 9999;
    output.progress(dump(2));
    expect(shown()).toBe("");
    clock.now = 10_000;
    output.progress(dump(20_480));
    expect(shown()).toBe("dump: 20.0 KiB · 2.0 KiB/s\n");
    clock.now = 15_000;
    output.progress({ phase: "read back", bytes: 1 });
    expect(shown()).toBe("");
    output.clear();
    expect(shown()).toBe("");
  });

  test("counts time from the phase's beginning", () => {
    const { output, clock, shown } = makeOutput({}, { isTTY: true });
    clock.now = 100_000;
    output.progress(dump(0));
    clock.now = 102_000;
    shown();
    output.progress(dump(2048));
    expect(shown()).toBe(`${CLEAR}dump: 2.0 KiB · 1.0 KiB/s`);
  });

  /** Columns as a terminal counts them, for the characters used here. */
  const columns = (text: string): number =>
    Array.from(text).reduce(
      (sum, character) => sum + (/[\u4e00-\u9fff\u{1f300}-\u{1faff}]/u.test(character) ? 2 : 1),
      0,
    );

  test.each([
    ["letters", "x".repeat(100)],
    ["wide letters", "商品表".repeat(30)],
    ["pictures", "😀".repeat(50)],
  ])("never wraps, and no character is cut in two: %s", (_, table) => {
    for (const width of [21, 40, 41, 42, 80]) {
      const { output, shown } = makeOutput({}, { isTTY: true, columns: width });
      output.progress({ phase: "dump", bytes: 0, table });
      const line = shown().slice(CLEAR.length);
      expect(columns(line)).toBeLessThan(width);
      expect(columns(line)).toBeGreaterThan(width - 4);
      expect(line.isWellFormed()).toBe(true);
      expect(line).toMatch(/^dump: .+…$/u);
    }
  });

  test("is whole where it just fits, and is not cut to nothing in a tiny terminal", () => {
    const wide = makeOutput({}, { isTTY: true, columns: 27 });
    wide.output.progress({ phase: "dump", bytes: 0, table: "x".repeat(20) });
    expect(wide.shown()).toBe(`${CLEAR}dump: ${"x".repeat(20)}`);
    const tiny = makeOutput({}, { isTTY: true, columns: 3 });
    tiny.output.progress({ phase: "dump", bytes: 0, table: "x".repeat(50) });
    expect(tiny.shown()).toBe(`${CLEAR}dump: ${"x".repeat(13)}…`);
  });
});
