import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { stringify } from "yaml";
import { VerifyJson } from "../src/json/restore.ts";
import { StatusJson } from "../src/json/status.ts";
import { withVariable } from "../src/lib/living-processes.ts";
import { type BackedUp, backedUp } from "./support/backed-up.ts";
import { type CliOptions, jsonOf, runCli, spawnCli } from "./support/cli.ts";
import { newestRestored } from "../src/repository/proofs.ts";
import { openRepository } from "../src/repository/repository.ts";
import { clusterUrl } from "./support/postgres.ts";
import { noAbort, testRuntime } from "./support/runtime.ts";
import { proofsOf } from "./support/proofs-of.ts";

const SQL = `
  create schema shop; create table shop.orders (id int primary key, paid boolean, note text);
  insert into shop.orders select g, true, 'note ' || g from generate_series(1, 50) g;
  create function shop.spoil() returns boolean language plpgsql as $$ begin delete from shop.orders; return true; end $$`;

let subject: BackedUp;
beforeAll(async () => {
  subject = await backedUp({ sql: SQL, as: "shop", backup: ["--kind", "snapshot"] });
});
afterAll(async () => await subject[Symbol.asyncDispose]());

/** On the shared server: a throw-away one takes seconds. */
const verify = async (
  args: readonly string[],
  options: CliOptions = {},
  to: string[] = ["--to", clusterUrl()],
) => {
  const result = await runCli(
    ["verify", "shop", ...args, ...to, "--repository", subject.repository, "--json"],
    options,
  );
  return { ...result, report: jsonOf(result) };
};

const expecting = (...queries: string[]): string[] => queries.flatMap((sql) => ["--expect", sql]);

/** A strategy in a file of its own, with these keys of the database. */
async function strategyWith(asserted: object, url = subject.live.url): Promise<string[]> {
  const path = join(subject.scratch, `handled-${Math.random().toString(36).slice(2)}.yaml`);
  const databases = { shop: { url, ...asserted } };
  const strategy = { version: 1, repositories: { local: { url: subject.scratch } }, databases };
  await writeFile(path, stringify(strategy));
  return ["--config", path];
}

describe("queries", () => {
  test("that are true are the highest level, after all the others", async () => {
    const { code, report, stderr } = await verify(
      expecting(
        "select count(*) = 50 from shop.orders; ",
        "select bool_and(paid) from shop.orders -- all of them",
      ),
    );
    expect(code, stderr).toBe(0);
    expect(VerifyJson.parse(report)).toMatchObject({
      outcome: "proven",
      level: "assertions",
      proven: "assertions",
      compared: { digests: 1 },
      assertions: [
        { name: null, sql: "select count(*) = 50 from shop.orders;", outcome: "true", reason: null },
        { outcome: "true" },
      ],
      application: null,
    });
    const where = ["--repository", subject.repository];
    expect((await runCli(["list", "shop", ...where])).stdout).toMatch(/assertions \d/);
    expect((await runCli(["show", subject.id, ...where])).stdout).toMatch(/proven .*: assertions, 50 rows/);
    expect((await runCli(["history", "shop", ...where])).stdout).toContain("proven: assertions");
    const newest = [...(await proofsOf(subject)).values()].at(-1);
    expect(newest).toMatchObject({ format: 2, proven: "assertions", assertions: [{}, {}] });
  });

  test("that are not are told apart, all of them, and nothing that they tried was done", async () => {
    const assertions = [
      { name: "empty", expect: "select count(*) = 0 from shop.orders" },
      { name: "null", expect: "select bool_and(paid) from shop.orders where false" },
      { name: "none", expect: "select true from shop.orders where id < 0" },
      { name: "three", expect: "select true from shop.orders where id < 4" },
      { name: "many", expect: "select true from generate_series(1, 1000000)" },
      { name: "two columns", expect: "select true, true" },
      { name: "a number", expect: "select count(*) from shop.orders" },
      { name: "syntax", expect: "selct true" },
      { name: "missing", expect: "select count(*) > 0 from shop.products" },
      { name: "slow", expect: "select pg_sleep(60) is not null", timeout: "1s" },
      { name: "writes", expect: "with gone as (delete from shop.orders returning id) select true from gone" },
      { name: "spoils", expect: "select shop.spoil()" },
      { name: "two statements", expect: "select true; drop table shop.orders" },
      { name: "writable", expect: "select set_config('transaction_read_only', 'off', false) = 'off'" },
      { name: "ends itself", expect: "select pg_terminate_backend(pg_backend_pid())" },
      { expect: "select count(*) = 50 from shop.orders" },
    ];
    const { code, report } = await verify(await strategyWith({ assertions }));
    expect(code).toBe(4);
    const { problems, assertions: results, proven } = VerifyJson.parse(report);
    expect(proven).toBeNull();
    expect(results.map(({ name, outcome, reason }) => `${name}: ${outcome}: ${reason}`)).toEqual([
      "empty: false: it is false",
      "null: null: it is null, neither true nor false",
      "none: no row: it gives no row",
      "three: several rows: it gives 3 rows instead of one",
      "many: several rows: it gives 1,000 rows or more instead of one",
      "two columns: not boolean: it gives 2 columns instead of one",
      "a number: not boolean: its column is of the type bigint, not boolean",
      'syntax: error: syntax error at or near "selct"',
      'missing: error: relation "shop.products" does not exist',
      "slow: timed out: no answer within 1.0 s",
      expect.stringContaining("writes: error: DECLARE CURSOR must not contain data-modifying statements"),
      "spoils: error: cannot execute DELETE in a read-only transaction",
      "two statements: error: cannot insert multiple commands into a prepared statement",
      expect.stringContaining("writable: error: transaction read-write mode must be set before any query"),
      expect.stringContaining("ends itself: error: "),
      "null: true: null",
    ]);
    expect(problems).toHaveLength(15);
    expect(problems[0]).toMatchObject({ object: "assertion", reason: 'assertion "empty": it is false' });
  });

  test("where none are configured, or another level is asked for, nothing is run", async () => {
    const none = await verify(["--level", "assertions"]);
    expect(none.code).toBe(2);
    expect(none.report).toMatchObject({
      error: { code: "usage", hint: expect.stringContaining("--expect") },
    });
    const both = await verify(["--level", "content", ...expecting("select true")]);
    expect(both.code).toBe(2);
    const lower = await verify([
      ...(await strategyWith({ assertions: [{ expect: "select false" }] })),
      "--level",
      "restore",
    ]);
    expect(lower.code, lower.stderr).toBe(0);
    expect(lower.report).toMatchObject({ proven: "restore", assertions: [] });
    const broken = await verify(await strategyWith({ assertions: [{ expects: "select true" }] }));
    expect(broken.code).toBe(2);
    expect(broken.report).toMatchObject({ error: { message: expect.stringContaining("expects") } });
  });
});

const PROGRAM = join(import.meta.dirname, "support/trial-application-main.ts");

/** Its start command. */
const run = (manner: string, file = ""): string => `'${process.execPath}' '${PROGRAM}' ${manner} '${file}'`;

/** What a process of this number, or this one, has started for a trial, and still runs. Other tests have trials of their own. */
const running = async (of = process.pid): Promise<number[]> =>
  (await withVariable("HANDLED_TRIAL")).flatMap(({ pid, value }) =>
    value.split("_")[1] === String(of) ? [pid] : [],
  );

const application = (start: string, more: object = {}) => ({
  trial: { start, health: "/health", healthTimeout: "3s", ...more },
});

describe("the application", () => {
  test("works on the throw-away copy, changes it, and sees nothing of the live database", async () => {
    const file = join(subject.scratch, "seen.json");
    const more = {
      databaseVariable: "SHOP_DB",
      portVariable: "SHOP_PORT",
      environment: ["MODE"],
      healthTimeout: "30s",
    };
    const start = `DATABASE_URL=$SHOP_DB PORT=$SHOP_PORT ${run("serve", file)}`;
    const url = "${LIVE_DATABASE_URL}";
    const config = await strategyWith(
      { ...application(start, more), assertions: [{ expect: "select count(*) = 50 from shop.orders" }] },
      url,
    );
    const env = { LIVE_DATABASE_URL: subject.live.url, PGPASSWORD: "live", MODE: "trial" };
    const { code, report, stderr } = await verify(config, { env }, []);
    expect(code, stderr).toBe(0);
    expect(VerifyJson.parse(report)).toMatchObject({
      proven: "assertions",
      assertions: [{ outcome: "true" }],
      application: { outcome: "healthy", reason: null },
    });
    const seen = JSON.parse(await readFile(file, "utf8")) as Record<string, string>;
    expect(seen).toMatchObject({
      MODE: "trial",
      SHOP_DB: expect.stringMatching(/^postgresql:\/\/.*@127\.0\.0\.1:\d+\/handled_restoring/),
    });
    expect(JSON.stringify(seen)).not.toContain(new URL(subject.live.url).pathname);
    expect(Object.keys(seen).filter((name) => name.startsWith("PG"))).toEqual([]);
    expect(await subject.live.query("select count(*)::int as n from shop.orders")).toEqual([{ n: 50 }]);
    expect(await running()).toEqual([]);
    const leaking = await strategyWith(application("true", { environment: ["LIVE_DATABASE_URL"] }), url);
    expect((await verify(leaking, { env })).report).toMatchObject({ error: { code: "strategy_invalid" } });
  });

  test.each([
    ["die", /it ended \(exit code 3\) before it was healthy: no licence; database: cannot go on$/],
    ["hang", /is not healthy: no answer within .*asked \d times? in/],
    ["missing", /it ended \(exit code 127\)/],
  ])("that does not work is told: %s", async (manner, reason) => {
    const start = manner === "missing" ? "no-such-program" : run(manner);
    // One that ends is not waited for; one that hangs has to listen before that is over.
    const healthTimeout = manner === "hang" ? "10s" : "50s";
    const { code, report } = await verify(await strategyWith(application(start, { healthTimeout })));
    expect(code).toBe(4);
    expect(VerifyJson.parse(report)).toMatchObject({
      outcome: "failed",
      application: { outcome: "failed", reason: expect.stringMatching(reason) },
      problems: [{ object: "application" }],
    });
    expect(await running()).toEqual([]);
  });

  test.each(["flood", "stubborn"])("is ended with all that it started: %s", async (manner) => {
    const { code, stderr } = await verify(
      await strategyWith(application(run(manner), { healthTimeout: "20s" })),
    );
    expect(code, stderr).toBe(0);
    expect(await running()).toEqual([]);
  });

  test("that leaves the group is found, ended, and told", async () => {
    const { code, stderr } = await verify(
      await strategyWith(application(run("leave"), { healthTimeout: "20s" })),
    );
    expect(code).toBe(0);
    expect(stderr).toContain("killed 1 process that the application left running in the background");
    expect(await running()).toEqual([]);
  });

  test("that was put into the background is stopped by its command", async () => {
    const pid = join(subject.scratch, "pid");
    const start = `${run("serve")} & echo $! > '${pid}'`;
    const config = await strategyWith(
      application(start, { stop: `kill "$(cat '${pid}')"`, healthTimeout: "20s" }),
    );
    const { code, stderr } = await verify(config);
    expect(code, stderr).toBe(0);
    expect(await running()).toEqual([]);
  });

  test.each([
    ["SIGINT", 130],
    ["SIGKILL", null],
  ] as const)("is ended when the check is: %s", async (signal, code) => {
    const file = join(subject.scratch, `seen-${signal}.json`);
    const config = await strategyWith(application(run("hang", file), { healthTimeout: "5m" }));
    const place = ["--repository", subject.repository, "--to", clusterUrl()];
    const child = spawnCli(["verify", "shop", ...config, ...place]);
    const started = async (): Promise<string> => await readFile(file, "utf8").catch(() => "");
    await expect.poll(started, { timeout: 30_000, interval: 50 }).not.toBe("");
    expect(await running(child.pid)).not.toEqual([]);
    process.kill(child.pid, signal);
    expect((await child.result).code).toBe(code);
    await expect.poll(() => running(child.pid), { timeout: 30_000, interval: 50 }).toEqual([]);
  });
});

describe("what a failure says of the backup", () => {
  // What other tests did to it is over.
  beforeAll(async () => void (await verify(expecting("select true"))));
  const count = "select count(*)";
  const look = async () => {
    const where = ["--repository", subject.repository, "--json"];
    const [status] = StatusJson.parse(jsonOf(await runCli(["status", "shop", ...where]))).databases;
    return [status?.backups, ...(status?.problems ?? []).map(({ id }) => id)];
  };

  test("a query that is false: nobody relies on it any more, until it is answered", async () => {
    expect((await verify(expecting(`${count} = 0 from shop.orders`))).code).toBe(4);
    expect(await look()).toEqual([0, "backup-overdue", "backup-damaged"]);
    const late = { assertions: [{ expect: "select pg_sleep(9) is null", timeout: "1s" }] };
    expect((await verify(await strategyWith(late))).code).toBe(4);
    // That it was whole before the query was asked is no answer to it.
    expect((await verify([])).code).toBe(0);
    expect(await look()).toEqual([0, "backup-overdue", "backup-damaged"]);
    expect((await verify(expecting(`${count} = 50 from shop.orders`))).code).toBe(0);
    expect(await look()).toEqual([1]);
  });

  test.each([
    ["a query that fails", { assertions: [{ expect: `${count} > 0 from nowhere` }] }],
    ["one that takes too long", { assertions: [{ expect: "select pg_sleep(9) is null", timeout: "1s" }] }],
    ["an application that does not work", application("exit 1")],
  ])("%s: the verification has failed, and the backup counts as before", async (_what, asserted) => {
    const { code, report } = await verify(await strategyWith(asserted));
    expect(code).toBe(4);
    expect(report).toMatchObject({ outcome: "failed", proven: null });
    expect(await look()).toEqual([1, "run-failed"]);
    // It was restored and compared all the same.
    const status = await runCli(["status", "shop", "--repository", subject.repository, "--json"]);
    expect(StatusJson.parse(jsonOf(status)).databases).toMatchObject([{ newestProven: subject.id }]);
    // A restore of the latest takes it.
    const listed = await runCli(["show", "latest", "--repository", subject.repository]);
    expect(listed).toMatchObject({ code: 0, stdout: expect.stringContaining(subject.id) });
    expect((await verify([])).code).toBe(0);
    expect(await look()).toEqual([1]);
  });

  test("a proof of the highest level counts as one that was restored and compared", async () => {
    expect((await verify(expecting(`${count} = 50 from shop.orders`))).code).toBe(0);
    const storage = subject.storage;
    const repository = await openRepository(testRuntime(), storage, noAbort());
    expect(await newestRestored(repository, "shop", noAbort())).toMatchObject({ proven: "assertions" });
  });
});
