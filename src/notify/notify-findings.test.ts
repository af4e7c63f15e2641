import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { diskFull } from "../../test/support/faulty-storage.ts";
import { noAbort } from "../../test/support/runtime.ts";
import type { Notify } from "../config/notify.ts";
import { openStorage } from "../storage/open.ts";
import type { Finding } from "./alerts.ts";
import { notifyFindings } from "./notify-findings.ts";
import { HOUR, DAY, START, finding, office } from "../../test/support/notify-office.ts";

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
