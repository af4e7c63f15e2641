import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { SEVERITIES, type Severity } from "../config/notify.ts";
import {
  afterArrival,
  type DueMessage,
  dueMessages,
  type Finding,
  forgetOthers,
  isWorse,
  keyOf,
  observe,
  type Rules,
} from "./alerts.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const START = Date.parse("2024-12-11T08:00:00.000Z");

function finding(subject: string, severity: Severity = "warning", message = `${subject} is wrong`): Finding {
  return { id: "test", database: "data", subject, severity, message, evidence: {}, hint: null };
}

const everyone: Rules = {
  channels: ["mail", "chat"],
  channelsOf: () => ["mail", "chat"],
  remindersMs: [DAY, 2 * DAY, 4 * DAY, 7 * DAY],
};

interface Told extends DueMessage {
  readonly at: number;
}

/** Somebody who looks now and then, and whose messages arrive unless a channel is down. */
function watch(rules: Rules = everyone) {
  let state: Parameters<typeof observe>[0] = { seenAt: null, alerts: [], sentAt: {} };
  const told: Told[] = [];
  return {
    told,
    state: () => state,
    /** As after a restart: from what was written down. */
    restart: () => {
      state = JSON.parse(JSON.stringify(state)) as typeof state;
    },
    look: (
      at: number,
      findings: readonly Finding[],
      { complete = true, down = [] as readonly string[] } = {},
    ) => {
      const now = new Date(START + at);
      state = observe(forgetOthers(state, rules.channels), { findings, wasLookedFor: () => complete }, now);
      const due = dueMessages(state, rules, now).filter(({ channel }) => !down.includes(channel));
      for (const message of due) {
        state = afterArrival(state, message, now);
        told.push({ ...message, at });
      }
      return due;
    },
  };
}

const subjects = (list: DueMessage["opened"]): string[] => list.map((alert) => alert.finding.subject);

describe("alerts", () => {
  test("what opens is told once, what is over is told once it stayed away, and then nothing more", () => {
    const { look, told } = watch();
    look(0, []);
    look(MINUTE, [finding("a"), finding("b")]);
    expect(told.map(({ channel, opened }) => [channel, subjects(opened)])).toEqual([
      ["mail", ["a", "b"]],
      ["chat", ["a", "b"]],
    ]);
    look(2 * MINUTE, [finding("a"), finding("b")]);
    for (let minute = 3; minute <= 20; minute++) look(minute * MINUTE, [finding("b")]);
    expect(told).toHaveLength(4);
    expect(told.slice(2).map(({ at, closed }) => [at, subjects(closed)])).toEqual([
      [12 * MINUTE, ["a"]],
      [12 * MINUTE, ["a"]],
    ]);
  });

  test("whoever looks every hour hears at once that it is over", () => {
    const { look, told } = watch();
    look(0, [finding("a")]);
    look(HOUR, []);
    expect(told.filter(({ closed }) => closed.length > 0)).toHaveLength(2);
  });

  test("reminders come a day, two, four and then every seven days after the message before", () => {
    const { look, told } = watch({ ...everyone, channels: ["mail"] });
    for (let hour = 0; hour <= 24 * 30; hour++) look(hour * HOUR, [finding("a")]);
    expect(told.map(({ at }) => at / DAY)).toEqual([0, 1, 3, 7, 14, 21, 28]);
    expect(told.slice(1).every(({ reminded, opened }) => reminded.length === 1 && opened.length === 0)).toBe(
      true,
    );
  });

  test("what gets worse is told at once; what gets milder and as bad again is not", () => {
    const { look, told } = watch({ ...everyone, channels: ["mail"] });
    look(0, [finding("a", "notice")]);
    look(HOUR, [finding("a", "critical")]);
    look(2 * HOUR, [finding("a", "warning")]);
    look(3 * HOUR, [finding("a", "critical")]);
    expect(told.map(({ at, opened, worse }) => [at, opened.length, worse.length])).toEqual([
      [0, 1, 0],
      [HOUR, 0, 1],
    ]);
  });

  test("a channel hears of what fits its routes, also when that comes to fit later", () => {
    const rules: Rules = {
      ...everyone,
      channelsOf: ({ severity }) => (severity === "critical" ? ["mail", "chat"] : ["chat"]),
    };
    const { look, told } = watch(rules);
    look(0, [finding("a", "notice")]);
    look(HOUR, [finding("a", "critical")]);
    expect(told.map(({ channel, opened, worse }) => [channel, opened.length, worse.length])).toEqual([
      ["chat", 1, 0],
      ["mail", 1, 0],
      ["chat", 0, 1],
    ]);
  });

  test("where not everything could be looked at, nothing counts as over", () => {
    const { look, told } = watch();
    look(0, [finding("a")]);
    for (let hour = 1; hour < 12; hour++) look(hour * HOUR, [], { complete: false });
    expect(told).toHaveLength(2);
    look(12 * HOUR, []);
    expect(told).toHaveLength(4);
  });

  test("what flaps all day is told a few times, not each time", () => {
    const { look, told } = watch({ ...everyone, channels: ["mail"] });
    for (let minute = 0; minute < 24 * 60; minute++)
      look(minute * MINUTE, Math.floor(minute / 15) % 2 === 0 ? [finding("a")] : []);
    expect(told.length).toBeLessThanOrEqual(4);
    const fast = watch({ ...everyone, channels: ["mail"] });
    for (let minute = 0; minute < 24 * 60; minute++)
      fast.look(minute * MINUTE, minute % 2 === 0 ? [finding("a")] : []);
    expect(fast.told).toHaveLength(1);
  });

  test("a clock that was years ahead when something was told does not silence what is wrong now", () => {
    const { look, told } = watch({ ...everyone, channels: ["mail"] });
    look(3650 * DAY, [finding("a")]);
    look(0, [finding("a")]);
    look(HOUR, [finding("a"), finding("b")]);
    expect(told.map(({ opened, reminded }) => [subjects(opened), subjects(reminded)])).toEqual([
      [["a"], []],
      [[], ["a"]],
      [["b"], []],
    ]);
  });

  test("a channel that is no longer in the strategy is forgotten, and what only it knew of goes away", () => {
    const rules = { ...everyone, channels: ["mail"] };
    const { look, state, told } = watch(rules);
    look(0, [finding("a")], { down: [] });
    rules.channels = ["chat"];
    look(HOUR, []);
    look(3 * DAY, []);
    expect(told).toHaveLength(1);
    expect(state()).toMatchObject({ alerts: [], sentAt: {} });
  });
});

const SUBJECTS = ["a", "b", "c"];

const step = fc.record({
  after: fc.constantFrom(1000, 20_000, MINUTE, 5 * MINUTE, 30 * MINUTE, 5 * HOUR, 2 * DAY),
  there: fc.uniqueArray(
    fc.record({ subject: fc.constantFrom(...SUBJECTS), severity: fc.constantFrom(...SEVERITIES) }),
    {
      selector: ({ subject }) => subject,
    },
  ),
  complete: fc.boolean(),
  down: fc.subarray(["mail", "chat"]),
  restart: fc.boolean(),
});

describe("whatever happens", () => {
  test("nothing is told twice, nothing stays untold, no two messages come within a minute, and all that was told ends", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const { look, told, restart, state } = watch();
        let at = 0;
        for (const { after, there, complete, down, restart: isRestarted } of steps) {
          at += after;
          if (isRestarted) restart();
          const findings = there.map(({ subject, severity }) => finding(subject, severity));
          look(at, findings, { complete, down });
          for (const channel of everyone.channels) {
            if (down.includes(channel)) continue;
            const last = told.findLast((message) => message.channel === channel);
            // What is wrong now was told as it is and no longer ago than a reminder takes, unless the last message is too fresh.
            const untold = state().alerts.filter(({ goneSince, finding: { severity }, told: by }) => {
              const one = by[channel];
              if (goneSince !== null) return false;
              if (one === undefined || isWorse(severity, one.severity)) return true;
              const ms = everyone.remindersMs[Math.min(one.times, 4) - 1] ?? 0;
              return START + at - Date.parse(one.at) >= ms;
            });
            if (last === undefined || at - last.at >= MINUTE) expect(untold).toEqual([]);
          }
        }
        // It all works again and nothing is wrong: within a day everybody knows.
        for (let hour = 0; hour < 24; hour++) look((at += HOUR), []);
        for (const channel of everyone.channels)
          checkOrder(told.filter((message) => message.channel === channel));
        expect(state().alerts.every((alert) => Object.keys(alert.told).length === 0)).toBe(true);
        look(at + 2 * DAY, []);
        expect(state().alerts).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });
});

/** Of each finding: opened, then worse or reminded no sooner than a day after, then closed, and so on; ends closed. */
function checkOrder(messages: readonly Told[]): void {
  const open = new Map<string, number>();
  let last = -Infinity;
  for (const { at, opened, worse, reminded, closed } of messages) {
    expect(at - last).toBeGreaterThanOrEqual(MINUTE);
    last = at;
    for (const alert of opened) {
      expect(open.has(keyOf(alert.finding))).toBe(false);
      open.set(keyOf(alert.finding), at);
    }
    for (const alert of [...worse, ...reminded]) expect(open.has(keyOf(alert.finding))).toBe(true);
    for (const alert of reminded)
      expect(at - (open.get(keyOf(alert.finding)) ?? at)).toBeGreaterThanOrEqual(DAY);
    for (const alert of [...worse, ...reminded]) open.set(keyOf(alert.finding), at);
    for (const alert of closed) expect(open.delete(keyOf(alert.finding))).toBe(true);
    expect(opened.length + worse.length + reminded.length + closed.length).toBeGreaterThan(0);
  }
  expect([...open.keys()]).toEqual([]);
}
