import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { httpReceiver } from "../../test/support/http-receiver.ts";
import { identityIn } from "../../test/support/keys.ts";
import { diskFull } from "../../test/support/faulty-storage.ts";
import { noAbort, testRuntime } from "../../test/support/runtime.ts";
import { temporaryFolder } from "../../test/support/temporary-folder.ts";
import type { Notify } from "../config/notify.ts";
import type { Clock } from "../lib/clock.ts";
import { BackupId } from "../repository/manifest.ts";
import { openOrCreateRepository } from "../repository/repository.ts";
import type { RunFile } from "../repository/run-file.ts";
import { recordEnded } from "../repository/runs.ts";
import type { Storage } from "../storage/storage.ts";
import { openStorage } from "../storage/open.ts";
import type { Finding } from "./alerts.ts";
import { notifyFindings, type NotifyReport } from "./notify-findings.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const START = Date.parse("2024-12-09T00:00:00.000Z");

/** A clock that is set, and whose pauses end at once; the timeout of an attempt never comes. */
function setClock(): Clock & { at: number } {
  const clock = {
    at: 0,
    now: () => new Date(START + clock.at),
    monotonic: () => clock.at,
    wait: async (ms: number): Promise<void> => {
      if (ms >= 20_000) await new Promise(() => undefined);
    },
  };
  return clock;
}

function finding(
  database: string | null,
  subject: string,
  severity: Finding["severity"] = "critical",
): Finding {
  const message = `${subject} is wrong`;
  return {
    id: "test",
    database,
    subject,
    severity,
    message,
    evidence: { age: "9 d" },
    hint: "`handled backup`",
  };
}

interface Said {
  readonly at: number;
  readonly channel: string;
  readonly subject: string;
  readonly text: string;
}

/** A strategy with two channels of one server, a repository with something of `data`, and a clock. */
async function office({
  up = () => true,
  sealed = false,
}: {
  up?: (channel: string, at: number) => boolean;
  sealed?: boolean;
} = {}) {
  const folder = await temporaryFolder();
  const clock = setClock();
  const said: Said[] = [];
  const server = await httpReceiver(({ path, body }) => {
    const channel = path.slice(1);
    if (!up(channel, clock.at)) return 500;
    const { subject, text } = JSON.parse(body) as { subject?: string; text: string };
    said.push({ at: clock.at, channel, text, subject: subject ?? /^\*(.*)\*\n/.exec(text)?.[1] ?? "" });
    return 200;
  });
  const template = (text: string) => ({ text, where: "" });
  const notify: Notify = {
    channels: [
      { kind: "slack", name: "chat", url: template(`${server.url}/chat`) },
      {
        kind: "webhook",
        name: "hook",
        url: template(`${server.url}/hook`),
        secret: template("a secret key"),
      },
    ],
    routes: [],
    remindersMs: [DAY, 2 * DAY, 4 * DAY, 7 * DAY],
    watch: "*/15 * * * *",
    digest: "0 8 * * 1",
  };
  const env = { XDG_STATE_HOME: join(folder.path, "state") };
  const runtime = testRuntime({ clock, env });
  const storage = openStorage(runtime, join(folder.path, "repository"));
  if (sealed) {
    const { recipient } = identityIn(folder.path);
    runtime.keys.want(storage.place, { recipients: [recipient], hostKeyFile: join(folder.path, "host.key") });
  }
  const repository = await openOrCreateRepository(runtime, storage, noAbort());
  await storage.put("data/records/proofs/none", Buffer.from(""), noAbort());
  const look = async (
    at: number,
    findings: readonly Finding[],
    {
      complete = true,
      strategy = notify,
      place = storage,
      runbook,
    }: { complete?: boolean; strategy?: Notify; place?: Storage; runbook?: string } = {},
  ): Promise<NotifyReport> => {
    clock.at = at;
    const ofData = findings.filter(({ database }) => database !== null);
    const looked = [
      { database: "data", findings: ofData, complete, storages: [place] },
      {
        database: null,
        findings: findings.filter(({ database }) => database === null),
        complete,
        storages: [],
      },
    ];
    const request = {
      notify: strategy,
      strategyPath: "/etc/handled/handled.yaml",
      digest: { timeZone: "UTC", runbook },
      looked,
    };
    return await notifyFindings(runtime, request, noAbort());
  };
  return {
    path: folder.path,
    clock,
    notify,
    repository,
    runtime,
    said,
    look,
    subjects: (channel: string) =>
      said.filter((one) => one.channel === channel).map(({ subject }) => subject),
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

const STATE = "repository/data/records/alerts/state.json";

test("all that is wrong with a database is one message to each channel, and what concerns none is one of its own", async () => {
  await using there = await office();
  const report = await there.look(0, [
    finding("data", "a"),
    finding("data", "b", "warning"),
    finding(null, "disk"),
  ]);
  expect(report).toMatchObject({ failures: [], sent: [{}, {}, {}, {}] });
  expect(there.subjects("chat")).toEqual([
    "data: a is wrong (and 1 more)",
    expect.stringMatching(/^handled on .*: disk is wrong$/),
  ]);
  expect(
    (await there.look(HOUR, [finding("data", "a"), finding("data", "b", "warning"), finding(null, "disk")]))
      .sent,
  ).toEqual([]);
  await there.look(2 * HOUR, [finding("data", "b", "warning"), finding(null, "disk")]);
  expect(there.subjects("hook").at(-1)).toBe("data: over: a is wrong");
});

test("what was told is known from the repository alone, and from this machine alone", async () => {
  await using there = await office();
  await there.look(0, [finding("data", "a")]);
  await rm(join(there.path, "state"), { recursive: true });
  expect((await there.look(HOUR, [finding("data", "a")])).sent).toEqual([]);
  const gone = openStorage(there.runtime, join(there.path, "gone"));
  expect((await there.look(2 * HOUR, [finding("data", "a")], { place: gone })).sent).toEqual([]);
  expect(await readdir(there.path)).not.toContain("gone");
});

test("a place that is full is told once a look, though it is tried after each message; this machine remembers", async () => {
  await using there = await office();
  const place = {
    ...openStorage(there.runtime, join(there.path, "repository")),
    put: async () => await Promise.reject(diskFull()),
  };
  expect((await there.look(0, [finding("data", "a")], { place })).sent).toHaveLength(2);
  const words = there.runtime.warnings.filter((text) => text.includes("no space left"));
  // Of the database, and of what concerns none.
  expect(words).toHaveLength(2);
  expect((await there.look(HOUR, [finding("data", "a")], { place })).sent).toEqual([]);
});

test("the record in the repository is written when something changes, not each time somebody looks", async () => {
  await using there = await office();
  await there.look(0, []);
  expect(await readdir(join(there.path, "repository/data/records"))).toEqual(["proofs"]);
  await there.look(HOUR, [finding("data", "a")]);
  const written = await readFile(join(there.path, STATE), "utf8");
  await there.look(2 * HOUR, [finding("data", "a")]);
  expect(await readFile(join(there.path, STATE), "utf8")).toBe(written);
});

test("a record that is damaged is told, and everything is told again rather than nothing", async () => {
  await using there = await office();
  await there.look(0, [finding("data", "a")]);
  await rm(join(there.path, "state"), { recursive: true });
  await writeFile(join(there.path, STATE), '{"format":1,');
  expect((await there.look(HOUR, [finding("data", "a")])).sent).toHaveLength(2);
  expect(there.runtime.warnings.join()).toContain("what was told before is not known from there");
  expect((await there.look(2 * HOUR, [finding("data", "a")])).sent).toHaveLength(0);
});

test("routes choose by severity and database", async () => {
  await using there = await office();
  const strategy: Notify = {
    ...there.notify,
    routes: [
      { severity: "critical", databases: undefined, channels: ["hook"] },
      { severity: "notice", databases: ["data"], channels: ["chat"] },
    ],
  };
  const findings = [finding("data", "a", "notice"), finding("data", "b"), finding(null, "disk")];
  await there.look(0, findings, { strategy });
  expect(there.subjects("hook")).toEqual(["data: b is wrong", expect.stringContaining("disk is wrong")]);
  expect(there.subjects("chat")).toEqual([
    "data: b is wrong (and 1 more)",
    expect.stringContaining("disk is wrong"),
  ]);
});

test("no secret of a finding is sent or remembered", async () => {
  await using there = await office();
  there.runtime.secrets.add("hunter2hunter2");
  await there.look(0, [
    { ...finding("data", "a"), message: "hunter2hunter2", evidence: { url: "x hunter2hunter2" } },
  ]);
  expect(there.subjects("chat")).toEqual(["data: ***"]);
  expect(await readFile(join(there.path, STATE), "utf8")).not.toContain("hunter2");
});

test("an interruption between two channels: the first is not told again, the second is told", async () => {
  let stop = (): void => undefined;
  await using there = await office({
    up: (channel) => {
      if (channel !== "hook") return true;
      stop();
      return false;
    },
  });
  const aborted = new AbortController();
  stop = () => aborted.abort(new Error("stopped"));
  const looked = [{ database: "data", findings: [finding("data", "a")], complete: true, storages: [] }];
  const request = {
    notify: there.notify,
    strategyPath: "/etc/handled/handled.yaml",
    digest: { timeZone: "UTC" },
    looked,
  };
  // One after the other, so that the first has arrived.
  const chatOnly = { ...request, notify: { ...there.notify, channels: there.notify.channels.slice(0, 1) } };
  await notifyFindings(there.runtime, chatOnly, noAbort());
  await expect(notifyFindings(there.runtime, request, aborted.signal)).rejects.toThrow("stopped");
  expect(there.subjects("chat")).toEqual(["data: a is wrong"]);
});

test("a figure that is none does not keep the rest from being remembered", async () => {
  await using there = await office();
  const strange = { ...finding("data", "a"), evidence: { rate: Number.NaN, rows: Infinity } };
  await there.look(0, [strange]);
  expect((await there.look(HOUR, [strange])).sent).toEqual([]);
  expect(there.runtime.warnings).toEqual([]);
});

test("where nothing was looked for that concerns no database, nothing of the kind is over", async () => {
  await using there = await office();
  await there.look(0, [finding(null, "disk")]);
  const looked = [{ database: "data", findings: [], complete: true, storages: [there.repository.storage] }];
  const request = { notify: there.notify, strategyPath: "/etc/handled/handled.yaml", digest: null, looked };
  there.clock.at = HOUR;
  expect((await notifyFindings(there.runtime, request, noAbort())).sent).toEqual([]);
  expect((await there.look(2 * HOUR, [])).sent).toHaveLength(2);
});

test("in an encrypted repository what was told is sealed, and the host that wrote it knows it again", async () => {
  await using there = await office({ sealed: true });
  await there.look(0, [finding("data", "a"), finding(null, "disk")]);
  await rm(join(there.path, "state"), { recursive: true });
  for (const key of [STATE, "repository/system/records/alerts/state.json"]) {
    const bytes = await readFile(join(there.path, key));
    expect(bytes.toString("latin1")).toMatch(/^age-encryption\.org\/v1/);
    expect(bytes.includes("is wrong")).toBe(false);
  }
  expect((await there.look(HOUR, [finding("data", "a"), finding(null, "disk")])).sent).toEqual([]);
});

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

test("a bad week: no storm, no silence, and a channel that is broken is told through the other", async () => {
  // The chat is down from Tuesday 20:00 to Wednesday noon.
  const down = { from: DAY + 20 * HOUR, to: 2 * DAY + 12 * HOUR };
  await using there = await office({
    up: (channel, at) => channel !== "chat" || at < down.from || at >= down.to,
  });
  const findingsAt = (at: number): Finding[] => [
    // No backup from Monday 06:00 to Friday 06:00.
    ...(at >= 6 * HOUR && at < 4 * DAY + 6 * HOUR ? [finding("data", "backup-old")] : []),
    // A place that comes and goes on Tuesday, half an hour each.
    ...(at >= DAY && at < 2 * DAY && (at / HOUR) % 1 === 0 ? [finding("data", "copy", "warning")] : []),
    // Something short on Wednesday at 03:00, for an hour, while the chat is down.
    ...(at >= 2 * DAY + 3 * HOUR && at < 2 * DAY + 4 * HOUR ? [finding("data", "lock", "notice")] : []),
  ];
  // Seldom while nothing happens: each look is written to a disk.
  const pause = (at: number): number => (at >= DAY && at < 2.75 * DAY ? HOUR / 2 : 3 * HOUR);
  for (let at = 0; at < 7 * DAY; at += pause(at)) {
    // On Thursday nobody can look for six hours: nothing is over because of that.
    const complete = at < 3 * DAY || at >= 3 * DAY + 6 * HOUR;
    await there.look(at, complete ? findingsAt(at) : [], { complete });
  }
  const days = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
  const told = (channel: string): string[] =>
    there.said
      .filter((one) => one.channel === channel)
      .map(({ at, subject }) => {
        const clock = new Date(START + at).toISOString().slice(11, 16);
        return `${days[Math.floor(at / DAY)]} ${clock} ${subject.replace(/^handled on [^:]*/, "handled")}`;
      });
  expect(told("hook")).toEqual([
    "Mon 06:00 data: backup-old is wrong",
    "Mon 09:00 handled: 0 backups, 0 proven, 1 finding open",
    "Tue 00:00 data: copy is wrong",
    "Tue 00:30 data: over: copy is wrong",
    "Tue 01:00 data: copy is wrong",
    "Tue 01:30 data: over: copy is wrong",
    "Tue 02:00 data: copy is wrong",
    "Tue 06:00 data: still: backup-old is wrong",
    "Wed 00:00 data: over: copy is wrong",
    "Wed 00:30 handled: no message has arrived through chat for 30 min",
    "Wed 03:00 data: lock is wrong",
    "Wed 04:00 data: over: lock is wrong",
    "Wed 12:30 handled: over: no message has arrived through chat for 11 h 30 min",
    "Thu 06:00 data: still: backup-old is wrong",
    "Fri 06:00 data: over: backup-old is wrong",
  ]);
  expect(told("chat")).toEqual([
    "Mon 06:00 data: backup-old is wrong",
    "Mon 09:00 handled: 0 backups, 0 proven, 1 finding open",
    "Tue 00:00 data: copy is wrong",
    "Tue 00:30 data: over: copy is wrong",
    "Tue 01:00 data: copy is wrong",
    "Tue 01:30 data: over: copy is wrong",
    "Tue 02:00 data: copy is wrong",
    "Tue 06:00 data: still: backup-old is wrong",
    "Wed 12:30 data: over: copy is wrong",
    "Thu 06:00 data: still: backup-old is wrong",
    "Fri 06:00 data: over: backup-old is wrong",
  ]);
});
