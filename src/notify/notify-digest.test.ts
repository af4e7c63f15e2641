import { hostname } from "node:os";
import { expect, test } from "vitest";
import { noAbort } from "../../test/support/runtime.ts";
import type { Notify } from "../config/notify.ts";
import { BackupId } from "../repository/manifest.ts";
import type { RunFile } from "../repository/run-file.ts";
import { recordEnded } from "../repository/runs.ts";
import { HOUR, DAY, START, finding, office } from "../../test/support/notify-office.ts";

/** A run as it is recorded. */
function run(operation: RunFile["operation"], at: number, outcome: "done" | "failed"): RunFile {
  const time = new Date(START + at).toISOString();
  const hasFailed = outcome === "failed";
  return {
    format: 1,
    id: `${time.replace(/[-:]/g, "")}-0123abcd`,
    operation,
    database: "data",
    entry: null,
    startedAt: time,
    finishedAt: time,
    by: { host: "h", user: "u", pid: 1, bootId: null, pidNamespace: null, processStart: null, operation },
    program: "handled 0.1.0",
    outcome,
    backup: BackupId.parse("20241212T020000Z-7f3a"),
    figures: { rows: null, bytes: null, storedBytes: null },
    summary: hasFailed ? "" : `${operation} of 12 tables`,
    error: hasFailed ? { code: "lease_held", message: "somebody else writes", hint: null } : null,
  };
}

test("the digest says once a week what ran, what was proven and what is open; one that was missed is made up", async () => {
  await using there = await office();
  const week = 7 * DAY;
  const runs = [
    run("backup", 3 * DAY, "done"),
    run("backup", 4 * DAY, "done"),
    run("verify", 4 * DAY + HOUR, "done"),
    run("backup", 5 * DAY, "failed"),
  ];
  for (const one of runs) await recordEnded(there.repository, one, noAbort());
  // Looked at first on Monday at noon: the first digest is that of next Monday, 08:00.
  await there.look(12 * HOUR, []);
  await there.look(6 * DAY, [finding("data", "a")]);
  await there.look(week + 7.5 * HOUR, [finding("data", "a")]);
  there.said.length = 0;
  await there.look(week + 8.5 * HOUR, [finding("data", "a")]);
  await there.look(week + 9.5 * HOUR, [finding("data", "a")]);
  const host = hostname();
  expect(there.subjects("hook")).toEqual([`handled on ${host}: 2 backups, 1 proven, 1 finding open`]);
  expect(there.subjects("chat")).toEqual(there.subjects("hook"));
  const text = there.said.find(({ channel }) => channel === "hook")?.text ?? "";
  expect(text).toContain("- data: 2 backups, 1 proven, 1 run failed");
  expect(text).toContain("last proof: 20241212T020000Z-7f3a, 3 d 7 h ago: verify of 12 tables");
  expect(text).toContain("backup failed: somebody else writes");
  expect(text).toContain("- data: critical: a is wrong");
  // Off for three weeks.
  there.said.length = 0;
  await there.look(4 * week + DAY, []);
  await there.look(4 * week + DAY + HOUR, []);
  const digests = there.subjects("hook").filter((subject) => subject.startsWith("handled on"));
  expect(digests).toEqual([`handled on ${host}: 0 backups, 0 proven, nothing open`]);
});

test("the digest shows once what has changed in the runbook since the last one", async () => {
  await using there = await office();
  const week = 7 * DAY;
  const before = "# Runbook\n\n## Contacts\n\nAda\n\n## Places\n\n- local\n";
  const after = before.replace("- local", "- local\n- bucket");
  const digest = async (at: number, runbook: string): Promise<string> => {
    there.said.length = 0;
    await there.look(at, [], { runbook });
    return there.said.find(({ channel }) => channel === "hook")?.text ?? "";
  };
  await there.look(0, [], { runbook: before });
  expect(await digest(week + 9 * HOUR, before)).not.toContain("RUNBOOK");
  await there.look(week + DAY, [], { runbook: after });
  const told = await digest(2 * week + 9 * HOUR, after);
  expect(told).toContain("RUNBOOK\n- it has changed since the last digest");
  expect(told).toContain("  @@ ## Places\n   \n   - local\n  +- bucket\n");
  expect(await digest(3 * week + 9 * HOUR, after)).not.toContain("RUNBOOK");
  // So many lines nobody reads in a mail.
  const long = `${after}${Array.from({ length: 100 }, (_, at) => `line ${at}\n`).join("")}`;
  const bounded = await digest(4 * week + 9 * HOUR, long);
  expect(bounded).toContain("and 43 more lines: `handled runbook`");
  expect(bounded.split("\n").filter((line) => line.includes("+line"))).toHaveLength(57);
});

test("a digest that does not arrive is sent later; a pager that is told only what is critical gets none", async () => {
  await using there = await office({ up: (channel, at) => channel !== "chat" || at > 7 * DAY + 10 * HOUR });
  const routes: Notify["routes"] = [
    { severity: "critical", databases: undefined, channels: ["hook"] },
    { severity: "notice", databases: undefined, channels: ["chat"] },
  ];
  const strategy = { ...there.notify, routes };
  for (const at of [0, 8, 9, 9.5, 11, 12, 13])
    await there.look(at === 0 ? 0 : 7 * DAY + at * HOUR, [], { strategy });
  expect(
    there.said
      .toSorted((a, b) => a.at - b.at || a.channel.localeCompare(b.channel))
      .map(({ at, channel, subject }) => [at / HOUR - 168, channel, subject.includes("through chat")]),
  ).toEqual([
    [9.5, "hook", true],
    [11, "chat", true],
    [12, "chat", true],
    [12, "hook", true],
    [13, "chat", false],
  ]);
});
