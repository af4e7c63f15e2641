import { describe, expect, test } from "vitest";
import { type ManualClock, manualClock } from "../../test/support/manual-clock.ts";
import { parse } from "../../test/support/strategy.ts";
import { AppError } from "../errors.ts";
import { Daemon, type DaemonEvent, type DaemonJob, type DaemonWorld, type SeenJob } from "./daemon.ts";
import type { PastRun } from "./due.ts";
import type { JobEnd } from "./job-process.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const START = new Date("2024-06-01T12:00:30Z");

const strategyText = (more = "", daemon = "{ jobs: 2 }"): string => `version: 1
timezone: UTC
repositories: { local: { url: /backups } }
databases:
  primary:
    url: postgresql://127.0.0.1/primary
    backups: [{ name: hourly, kind: snapshot, schedule: "0 * * * *" }]
    verify: [{ name: weekly, level: content, schedule: "0 4 * * 0", deadline: 2h }]
  data:
    url: postgresql://127.0.0.1/data
    backups: [{ name: nightly, schedule: "0 2 * * *" }]
    prune: { schedule: "30 5 * * *" }
${more}daemon: ${daemon}
`;

interface Begun {
  readonly at: string;
  readonly job: string;
}

/** A world in which time is ours, the repository is a list, and a job takes as long as it is told. */
class Stage {
  readonly clock: ManualClock = manualClock(START);
  text = strategyText();
  stamp = 1;
  readonly records = new Map<string, PastRun[]>();
  readonly begun: Begun[] = [];
  readonly events: DaemonEvent[] = [];
  readonly running = new Set<string>();
  most = 0;
  takesMs = 10 * MINUTE;
  endOf: (job: DaemonJob, n: number) => JobEnd = () => ({ outcome: "done", how: "exit code 0" });
  /** Whether what ran left a record. */
  leavesRecords = true;
  /** What was known to be wrong with the strategy, at each look. */
  readonly looks: string[] = [];
  /** What the last look was told of runs. */
  seen: readonly SeenJob[] = [];
  deaf: AppError | undefined;
  outages: readonly string[] = [];
  unread: AppError | undefined;
  /** A database that somebody does something else with. */
  taken: string | undefined;
  #stop = new AbortController();
  #ended: Promise<void> = Promise.resolve();
  daemon: Daemon | undefined;

  start(): void {
    this.#stop = new AbortController();
    this.daemon = new Daemon(this.#world());
    this.#ended = this.daemon.run(this.#stop.signal);
  }

  /** As SIGTERM does. */
  async stop(): Promise<void> {
    this.#stop.abort(new AppError("interrupted", "stopped by SIGTERM"));
    await this.#ended;
  }

  /** The times at which a job began. */
  times(job: string): string[] {
    return this.begun.filter((one) => one.job === job).map(({ at }) => at);
  }

  #world(): DaemonWorld {
    const { clock } = this;
    return {
      clock,
      isTaken: (database) => this.taken === database,
      version: async () => await Promise.resolve({ stamp: String(this.stamp), changedAt: START }),
      load: async () => await Promise.resolve(parse(this.text)),
      past: async (_, job) => {
        if (this.unread !== undefined) throw this.unread;
        return await Promise.resolve([...(this.records.get(nameOf(job)) ?? [])]);
      },
      tell: (event) => void this.events.push(event),
      alert: async (_, { broken, seen }) => {
        this.seen = seen;
        this.looks.push(broken?.code ?? "");
        if (this.deaf !== undefined) throw this.deaf;
        return await Promise.resolve({ sent: 1, failures: [] });
      },
      outages: async () => await Promise.resolve(this.outages),
      run: async (_, job, onLine, signal) => {
        const name = nameOf(job);
        if ([...this.running].some((one) => one.split(" ")[0] === job.database))
          throw new Error(`two at once of ${job.database}`);
        const n = this.begun.push({ at: clock.now().toISOString().slice(0, 16), job: name });
        this.running.add(name);
        this.most = Math.max(this.most, this.running.size);
        const startedAt = clock.now();
        onLine("a line");
        const stopped = await clock.wait(this.takesMs, signal).then(
          () => false,
          () => true,
        );
        this.running.delete(name);
        const end = stopped ? { outcome: "interrupted" as const, how: "exit code 130" } : this.endOf(job, n);
        const run = { startedAt, finishedAt: clock.now(), outcome: end.outcome };
        if (this.leavesRecords) this.records.set(name, [run, ...(this.records.get(name) ?? [])]);
        return end;
      },
    };
  }
}

function nameOf({ database, operation, entry }: DaemonJob): string {
  return [database, operation, ...(entry === null ? [] : [entry])].join(" ");
}

describe("the daemon", () => {
  test("runs everything at its times, never two of one database, at most so many at once", async () => {
    const stage = new Stage();
    stage.text = strategyText("", "{ jobs: 1 }");
    stage.start();
    await stage.clock.advance(2 * DAY);
    // At 02:00 the other database's backup had waited as long, and stands first.
    expect(stage.times("data backup nightly")).toEqual(["2024-06-02T02:10", "2024-06-03T02:10"]);
    expect(stage.times("primary backup hourly")).toHaveLength(48);
    expect(stage.times("primary verify weekly")).toEqual(["2024-06-02T04:10"]);
    expect(stage.times("data prune")).toEqual(["2024-06-02T05:30", "2024-06-03T05:30"]);
    expect(stage.most).toBe(1);
    await stage.stop();
  });

  test("two databases go side by side where the strategy allows it", async () => {
    const stage = new Stage();
    stage.start();
    await stage.clock.advance(DAY);
    expect(stage.most).toBe(2);
    expect(stage.times("data backup nightly")).toEqual(["2024-06-02T02:00"]);
    expect(stage.times("primary backup hourly")).toContain("2024-06-02T02:00");
    await stage.stop();
  });

  test("stopped and started anew it makes up once for what it missed, and interrupts nothing twice", async () => {
    const stage = new Stage();
    stage.start();
    await stage.clock.advance(14 * HOUR + 5 * MINUTE);
    expect(stage.running).toEqual(new Set(["primary backup hourly", "data backup nightly"]));
    await stage.stop();
    expect(stage.running.size).toBe(0);
    await stage.clock.advance(3 * DAY);
    const before = stage.begun.length;
    stage.start();
    await stage.clock.advance(20 * MINUTE);
    expect(stage.begun.slice(before).map(({ job }) => job)).toEqual([
      "primary backup hourly",
      "data backup nightly",
      "primary verify weekly",
      "data prune",
    ]);
    await stage.stop();
  });

  test("started anew while a job of the one before still runs, it does not start it again", async () => {
    const stage = new Stage();
    const own = { startedAt: new Date("2024-06-01T11:59:00Z"), finishedAt: null, outcome: null } as const;
    stage.records.set("primary backup hourly", [own]);
    stage.start();
    await stage.clock.advance(2 * HOUR + MINUTE);
    expect(stage.times("primary backup hourly")).toEqual([]);
    stage.records.set("primary backup hourly", [{ ...own, finishedAt: stage.clock.now(), outcome: "done" }]);
    await stage.clock.advance(MINUTE);
    expect(stage.times("primary backup hourly")).toEqual(["2024-06-01T14:01"]);
    await stage.stop();
  });

  test("what cron or a person ran meanwhile is not run again", async () => {
    const stage = new Stage();
    stage.start();
    await stage.clock.advance(13 * HOUR);
    const at = new Date("2024-06-02T02:00:00Z");
    stage.records.set("data backup nightly", [{ startedAt: at, finishedAt: at, outcome: "done" }]);
    await stage.clock.advance(DAY);
    expect(stage.times("data backup nightly")).toEqual([]);
    await stage.stop();
  });

  test("a job that hangs on another machine is not waited for for ever", async () => {
    const stage = new Stage();
    const lost = { startedAt: new Date("2024-06-01T11:59:00Z"), finishedAt: null, outcome: null } as const;
    stage.records.set("primary verify weekly", [lost]);
    stage.start();
    // Its deadline is 2 h, and an hour on top.
    await stage.clock.advance(2 * HOUR);
    expect(stage.times("primary verify weekly")).toEqual([]);
    await stage.clock.advance(2 * HOUR);
    expect(stage.times("primary verify weekly")).toHaveLength(1);
    await stage.stop();
  });

  test("what fails without leaving a record is tried so often, and then at its next time", async () => {
    const stage = new Stage();
    stage.leavesRecords = false;
    stage.takesMs = 1000;
    stage.endOf = ({ database }) =>
      database === "data"
        ? { outcome: "failed", how: "exit code 2" }
        : { outcome: "done", how: "exit code 0" };
    stage.start();
    await stage.clock.advance(2 * DAY);
    expect(stage.times("data backup nightly")).toEqual([
      "2024-06-02T02:00",
      "2024-06-02T02:05",
      "2024-06-02T02:20",
      "2024-06-03T02:00",
      "2024-06-03T02:05",
      "2024-06-03T02:20",
    ]);
    expect(stage.times("primary backup hourly")).toHaveLength(48);
    // Whoever looks how everything is hears of it, for the repository does not say.
    const failed = stage.seen.filter(({ end }) => end.outcome === "failed");
    expect(failed).toMatchObject([
      { database: "data", operation: "backup", entry: "nightly" },
      { database: "data", operation: "prune", entry: null },
    ]);
    await stage.stop();
  });

  test("a repository that cannot be read keeps nothing from running", async () => {
    const stage = new Stage();
    stage.unread = new AppError("repository_unreachable", "list: no answer");
    stage.start();
    await stage.clock.advance(3 * HOUR);
    expect(stage.times("primary backup hourly")).toHaveLength(3);
    expect(stage.events.some(({ kind }) => kind === "history unread")).toBe(true);
    await stage.stop();
  });
});

describe("how everything is", () => {
  test("is looked at every five minutes, and when a job has ended", async () => {
    const stage = new Stage();
    stage.text = strategyText().replace('"0 * * * *"', '"7 * * * *"');
    stage.takesMs = MINUTE;
    stage.start();
    await stage.clock.advance(6 * MINUTE);
    expect(stage.looks).toHaveLength(2);
    await stage.clock.advance(2 * MINUTE);
    expect(stage.times("primary backup hourly")).toHaveLength(1);
    expect(stage.looks).toHaveLength(3);
    expect(stage.events.filter(({ kind }) => kind === "told")).toHaveLength(3);
    await stage.stop();
  });

  test("is looked at within a minute when something no longer answers, and when it does again", async () => {
    const stage = new Stage();
    stage.text = strategyText().replace('"0 * * * *"', '"0 3 * * *"');
    stage.start();
    await stage.clock.advance(10 * MINUTE);
    const before = stage.looks.length;
    // One that starts anew is away for a moment.
    stage.outages = ["data: database_unreachable"];
    await stage.clock.advance(MINUTE / 2);
    stage.outages = [];
    await stage.clock.advance(MINUTE);
    expect(stage.looks).toHaveLength(before);
    stage.outages = ["data: database_unreachable"];
    await stage.clock.advance(MINUTE + 1000);
    expect(stage.looks).toHaveLength(before + 1);
    // What stays so is looked at no more often than all else.
    await stage.clock.advance(2 * MINUTE);
    expect(stage.looks).toHaveLength(before + 1);
    stage.outages = [];
    await stage.clock.advance(MINUTE + 1000);
    expect(stage.looks).toHaveLength(before + 2);
    await stage.stop();
  });

  test("also while the strategy's file is broken, which is part of it", async () => {
    const stage = new Stage();
    stage.start();
    await stage.clock.advance(MINUTE);
    stage.text = "version: [";
    stage.stamp += 1;
    await stage.clock.advance(MINUTE);
    expect(stage.looks.at(-1)).toBe("strategy_invalid");
    stage.text = strategyText();
    stage.stamp += 1;
    await stage.clock.advance(MINUTE);
    expect(stage.looks.at(-1)).toBe("");
    await stage.stop();
  });

  test("that nobody can be told keeps nothing from running", async () => {
    const stage = new Stage();
    stage.deaf = new AppError("repository_unreachable", "list: no answer");
    stage.start();
    await stage.clock.advance(3 * HOUR);
    expect(stage.times("primary backup hourly")).toHaveLength(3);
    expect(stage.events.some(({ kind }) => kind === "not told")).toBe(true);
    await stage.stop();
  });
});

describe("the strategy's file", () => {
  test("is read again when it changes; a broken one leaves the strategy as it was, and is told once", async () => {
    const stage = new Stage();
    stage.start();
    await stage.clock.advance(HOUR);
    stage.text = "version: [";
    stage.stamp += 1;
    await stage.clock.advance(2 * HOUR);
    expect(stage.times("primary backup hourly")).toHaveLength(3);
    expect(stage.events.filter(({ kind }) => kind === "strategy broken")).toHaveLength(1);
    stage.text = strategyText().replace('"0 * * * *"', '"*/20 * * * *"');
    stage.stamp += 1;
    await stage.clock.advance(HOUR);
    expect(stage.times("primary backup hourly")).toHaveLength(6);
    expect(stage.events.filter(({ kind }) => kind === "reloaded")).toHaveLength(2);
    await stage.stop();
  });

  test("is read at once on SIGHUP", async () => {
    const stage = new Stage();
    stage.start();
    await stage.clock.advance(MINUTE);
    stage.text = strategyText().replace('"0 * * * *"', '"* * * * *"');
    stage.daemon?.reload();
    await stage.clock.advance(0);
    expect(stage.events.filter(({ kind }) => kind === "reloaded")).toHaveLength(2);
    await stage.stop();
  });

  test("that is broken at the start is an error", async () => {
    const stage = new Stage();
    stage.text = "version: 7";
    stage.start();
    await expect(stage.stop()).rejects.toMatchObject({ code: "strategy_invalid" });
  });
});

test("day after day, every time has its run", async () => {
  const stage = new Stage();
  stage.takesMs = MINUTE;
  stage.text = strategyText().replace('"0 * * * *"', '"0 */6 * * *"');
  stage.start();
  await stage.clock.advance(10 * DAY);
  expect(stage.times("data backup nightly")).toHaveLength(10);
  expect(stage.times("primary backup hourly")).toHaveLength(10 * 4);
  expect(stage.times("primary verify weekly")).toHaveLength(2);
  await stage.stop();
});
