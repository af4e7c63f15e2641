import { readdir, readFile, rename, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { HistoryJson } from "../src/json/history.ts";
import { ServeEventJson } from "../src/json/serve.ts";
import { isJobRunning } from "../src/daemon/job-process.ts";
import { type CliResult, jsonOf, runCli } from "./support/cli.ts";
import { httpReceiver } from "./support/http-receiver.ts";
import { lockTable } from "./support/lock-table.ts";
import { type FreshDatabase, freshDatabase, temporaryFolder } from "./support/postgres.ts";
import { type Served, serve } from "./support/serve.ts";

// A busy machine takes its time.
const SOON = { timeout: 60_000 };

let live: FreshDatabase;
beforeAll(async () => {
  live = await freshDatabase({ sql: "create table item as select generate_series(1, 100) as id" });
});
afterAll(async () => await live[Symbol.asyncDispose]());

// Once a year, a while from now: what is due is due because it was missed.
const YEARLY = (() => {
  const at = new Date(Date.now() + 40 * 86_400_000);
  return `0 3 ${at.getUTCDate()} ${at.getUTCMonth() + 1} *`;
})();

interface Site extends AsyncDisposable {
  readonly folder: string;
  readonly strategy: string;
  /** Writes the strategy, as if it had been there for so many days. */
  write(databases: string, options?: { readonly daysAgo?: number; readonly daemon?: string }): Promise<void>;
  history(database?: string): Promise<HistoryJson["runs"]>;
  cli(...args: string[]): Promise<CliResult>;
  serve(): Served;
}

async function openSite(): Promise<Site> {
  const there = await temporaryFolder();
  const folder = there.path;
  const strategy = join(folder, "handled.yaml");
  const cli = async (...args: string[]): Promise<CliResult> => await runCli(args, { cwd: folder });
  return {
    folder,
    strategy,
    write: async (databases, { daysAgo = 400, daemon = "{ retryAfter: 1s }" } = {}) => {
      const head = "version: 1\ntimezone: UTC\nrepositories: { local: { url: backups } }\n";
      // A daemon that looks meanwhile must not see it without its age: since when a job is there it notes once.
      const aside = `${strategy}.new`;
      await writeFile(aside, `${head}daemon: ${daemon}\ndatabases:\n${databases}`);
      const at = new Date(Date.now() - daysAgo * 86_400_000);
      await utimes(aside, at, at);
      await rename(aside, strategy);
    },
    history: async (database = "data") =>
      HistoryJson.parse(jsonOf(await cli("history", database, "--json"))).runs,
    cli,
    serve: () => serve(folder),
    [Symbol.asyncDispose]: async () => await there[Symbol.asyncDispose](),
  };
}

const data = (more: string): string => `  data:\n    url: ${live.url}\n${more}`;

describe("handled serve", () => {
  test("does all that was missed, in order, and each once; what it did is in the history", async () => {
    await using site = await openSite();
    await site.write(
      data(`    backups: [{ name: nightly, kind: snapshot, schedule: "${YEARLY}" }]
    verify: [{ name: monthly, level: content, schedule: "${YEARLY}" }]
    prune: { schedule: "${YEARLY}" }
`),
    );
    await using served = site.serve();
    const ended = await served.events("job ended", 3);
    expect(ended.map(({ operation, entry, outcome }) => [operation, entry, outcome])).toEqual([
      ["backup", "nightly", "done"],
      ["verify", "monthly", "done"],
      ["prune", null, "done"],
    ]);
    expect(await served.stop("SIGTERM")).toBe(0);
    // Started anew there is nothing left to do: all it knows is in the repository.
    await using again = site.serve();
    await again.events("reloaded", 1);
    await again.looked();
    expect(await again.stop("SIGINT")).toBe(0);
    expect(again.all().some(({ event }) => event === "job started")).toBe(false);
    expect((await site.history()).map(({ operation, entry }) => [operation, entry])).toEqual([
      ["prune", null],
      ["verify", "monthly"],
      ["backup", "nightly"],
    ]);
    const listed = jsonOf(await site.cli("list", "data", "--json"));
    expect(listed).toMatchObject({ databases: [{ backups: [{ schedule: "nightly" }] }] });
  });

  test("what fails is tried again, and tells why in its log", async () => {
    await using site = await openSite();
    await site.write(
      data(`    schemas: [nowhere]\n    backups: [{ name: nightly, schedule: "${YEARLY}" }]\n`),
      { daemon: "{ retries: 1, retryAfter: 1s }" },
    );
    await using served = site.serve();
    const ended = await served.events("job ended", 2);
    expect(ended.map(({ outcome }) => outcome)).toEqual(["failed", "failed"]);
    const lines = served.all().filter(({ event }) => event === "job line");
    expect(lines.map(({ message }) => message).join("\n")).toContain("nowhere");
    expect(await served.stop("SIGTERM")).toBe(0);
  });

  test("what is scheduled is a job that can be watched; where what it says cannot be kept, it runs all the same", async () => {
    await using site = await openSite();
    await site.write(data(`    backups: [{ name: nightly, schedule: "${YEARLY}" }]\n`));
    const state = join(site.folder, "state");
    {
      await using served = serve(site.folder, { env: { XDG_STATE_HOME: state } });
      const [ended] = await served.events("job ended", 1);
      expect(ended).toMatchObject({ outcome: "done" });
      const said = served.all().flatMap(({ event, message }) => (event === "job line" ? [message] : []));
      expect(said.join("\n")).toContain("backup");
      expect(await served.stop("SIGTERM")).toBe(0);
    }
    const jobs = await readdir(join(state, "handled/jobs"), { recursive: true });
    const kept = jobs.find((name) => name.endsWith("job.json")) ?? "";
    expect(JSON.parse(await readFile(join(state, "handled/jobs", kept), "utf8"))).toMatchObject({
      kind: "backup",
      by: "the schedule",
      options: { entry: "nightly" },
    });
    await site.write(data(`    backups: [{ name: weekly, schedule: "${YEARLY}" }]\n`));
    await writeFile(join(site.folder, "taken"), "");
    await using served = serve(site.folder, { env: { XDG_STATE_HOME: join(site.folder, "taken") } });
    const [ended] = await served.events("job ended", 1);
    expect(ended).toMatchObject({ entry: "weekly", outcome: "done" });
    const lines = served.all().flatMap(({ event, message }) => (event === "job line" ? [message] : []));
    expect(lines.join("\n")).toContain("not kept");
    expect(await served.stop("SIGTERM")).toBe(0);
  });

  test("a job that takes longer than its deadline is stopped and has failed; the next goes on", async () => {
    await using site = await openSite();
    await site.cli("backup", "--url", live.url, "--repository", join(site.folder, "backups"));
    await using _ = await lockTable(live.url, "item");
    await site.write(
      data(
        `    lockTimeout: 60s\n    backups: [{ name: nightly, schedule: "${YEARLY}", deadline: 5s }]\n`,
      ).replace("  data:", `  ${live.name}:`),
      { daemon: "{ retries: 0 }" },
    );
    await using served = site.serve();
    const [ended] = await served.events("job ended", 1);
    expect(ended).toMatchObject({ outcome: "failed" });
    expect(await served.stop("SIGTERM")).toBe(0);
    expect((await site.history(live.name))[0]).toMatchObject({
      operation: "backup",
      entry: "nightly",
      outcome: "failed",
      error: { code: "deadline_passed", message: expect.stringContaining("not done within 5.0 s") },
    });
  });

  test("SIGTERM stops what runs; started anew, it is tried again", async () => {
    await using site = await openSite();
    await site.write(data(`    backups: [{ name: nightly, schedule: "${YEARLY}" }]\n`));
    await site.cli("backup");
    const first = await site.history();
    expect(first).toHaveLength(1);
    await site.write(data(`    backups: [{ name: weekly, schedule: "${YEARLY}" }]\n`));
    await using held = new AsyncDisposableStack();
    held.use(await lockTable(live.url, "item"));
    await using served = site.serve();
    await served.events("job started", 1);
    await expect.poll(async () => (await site.history())[0]?.outcome, SOON).toBe(null);
    expect(await served.stop("SIGTERM")).toBe(0);
    expect((await site.history())[0]).toMatchObject({ entry: "weekly", outcome: "interrupted" });
    await held.disposeAsync();
    await using again = site.serve();
    expect(await again.events("job ended", 1)).toMatchObject([{ outcome: "done" }]);
    await again.stop("SIGTERM");
  });

  test("killed before what it started could be recorded: that is not started again beside it", async () => {
    await using site = await openSite();
    // Of the first backup nothing is recorded before it has ended: there is no repository yet.
    await site.write(data(`    lockTimeout: 60s\n    backups: [{ name: nightly, schedule: "${YEARLY}" }]\n`));
    await using held = new AsyncDisposableStack();
    held.use(await lockTable(live.url, "item"));
    await using served = site.serve();
    const nightly = { database: "data", operation: "backup", entry: "nightly" } as const;
    const isRunning = async (): Promise<boolean> => await isJobRunning(site.strategy, nightly);
    await expect.poll(isRunning, { ...SOON, interval: 5 }).toBe(true);
    expect(await served.stop("SIGKILL")).toBe(null);
    await using again = site.serve();
    await again.events("reloaded", 1);
    await again.looked();
    await held.disposeAsync();
    await expect.poll(async () => (await site.history())[0]?.outcome, SOON).toBe("done");
    await again.looked();
    expect(await again.stop("SIGTERM")).toBe(0);
    expect(again.all().filter(({ event }) => event === "job started")).toEqual([]);
    expect(await site.history()).toHaveLength(1);
  });

  test("killed in the middle of each job: what runs goes on alone, is not started twice, and nothing is lost", async () => {
    await using site = await openSite();
    await site.write(data(`    backups: [{ name: first, schedule: "${YEARLY}" }]\n`));
    await site.cli("backup");
    await site.write(
      data(`    backups: [{ name: nightly, schedule: "${YEARLY}" }]
    verify: [{ name: monthly, level: content, schedule: "${YEARLY}" }]
    prune: { schedule: "${YEARLY}" }
`),
    );
    const runs = async (): Promise<HistoryJson["runs"]> =>
      (await site.history()).filter(({ entry }) => entry !== "first");
    const done = async (): Promise<string[]> =>
      (await runs()).filter(({ outcome }) => outcome === "done").map(({ operation }) => operation);
    // The backup does not end before the daemon does.
    await using held = new AsyncDisposableStack();
    held.use(await lockTable(live.url, "item"));
    for (let jobs = 1; jobs <= 3; jobs++) {
      await using served = site.serve();
      await served.events("job started", 1);
      // From when its record says that it has begun, everybody can see that it runs.
      await expect.poll(async () => (await runs()).length, SOON).toBe(jobs);
      expect(await served.stop("SIGKILL")).toBe(null);
      if (jobs > 1) continue;
      await held.disposeAsync();
      await expect.poll(done, SOON).toEqual(["backup"]);
    }
    await using last = site.serve();
    await expect.poll(done, SOON).toEqual(["prune", "verify", "backup"]);
    await last.looked();
    expect(await last.stop("SIGTERM")).toBe(0);
    // Each once: none that still ran was started beside it.
    expect(await runs()).toHaveLength(3);
  });
});

test("what goes wrong is told to the strategy's channels, by itself", async () => {
  await using site = await openSite();
  await using team = await httpReceiver();
  await site.write(
    `${data(`    schemas: [nowhere]\n    backups: [{ name: nightly, schedule: "${YEARLY}" }]\n`)}notify: { channels: { team: { kind: slack, url: "${team.url}" } } }\n`,
    { daemon: "{ retries: 0 }" },
  );
  await using served = site.serve();
  await served.events("told", 1);
  expect(await served.stop("SIGTERM")).toBe(0);
  const [message] = team.requests;
  expect(message?.body).toContain("data: ");
  expect(message?.body).toContain("no backup");
});

test("the runbook is kept written, without anybody to tell and nowhere to listen", async () => {
  await using site = await openSite();
  await writeFile(join(site.folder, "theirs.md"), "# Ours\n");
  const strategy = (runbook: string): string =>
    `${data(`    backups: [{ name: nightly, kind: snapshot, schedule: "${YEARLY}" }]\n`)}runbook: ${runbook}\n`;
  await site.write(strategy("{ file: [runbook.md, runbook.html] }"), { daemon: "{ http: false }" });
  const read = async (name: string): Promise<string> =>
    await readFile(join(site.folder, name), "utf8").catch(() => "");
  await using served = serve(site.folder, { port: null });
  await served.events("job ended", 1);
  const [run] = await site.history();
  await expect.poll(() => read("runbook.html"), SOON).toContain(run?.backup ?? "no backup");
  const written = await read("runbook.md");
  expect(written).toMatch(/^<!-- handled runbook \w+ \w+ -->\n# Runbook\n/);
  // The same again is no reason to write it.
  await served.looked();
  expect(await read("runbook.md")).toBe(written);
  await writeFile(join(site.folder, "runbook.md"), `${written}Ask Ada.\n`);
  await site.write(
    strategy("{ file: [runbook.md, theirs.md] }\ncontacts: [{ name: Grace, role: on call }]"),
    {
      daemon: "{ http: false }",
    },
  );
  served.signal("SIGHUP");
  await expect.poll(() => read("runbook.md"), SOON).toContain("Grace");
  expect(await served.stop("SIGTERM")).toBe(0);
  const names = await readdir(site.folder);
  const copy = names.find((name) => name.startsWith("runbook.md.edited-"));
  expect(await read(copy ?? "no copy")).toContain("Ask Ada.");
  expect(await read("theirs.md")).toBe("# Ours\n");
});

test("that the runbook is not written is told, and that it is again", async () => {
  await using site = await openSite();
  await using team = await httpReceiver();
  const theirs = join(site.folder, "runbook.md");
  await writeFile(theirs, "# Ours\n");
  await site.write(
    `${data("    backups: [{ name: nightly }]\n")}runbook: { file: runbook.md }\nnotify: { channels: { team: { kind: slack, url: "${team.url}" } } }\n`,
  );
  await using served = site.serve();
  const bodies = (): string => team.requests.map(({ body }) => body).join("\n");
  await expect.poll(bodies, SOON).toContain("the file there is not one of ours");
  await rename(theirs, join(site.folder, "ours.md"));
  await served.looked();
  await expect.poll(async () => await readFile(theirs, "utf8").catch(() => ""), SOON).toContain("# Runbook");
  expect(await served.stop("SIGTERM")).toBe(0);
});

describe("the strategy's file", () => {
  test("broken, it is told and the old one stays; mended, it is read; on SIGHUP at once", async () => {
    await using site = await openSite();
    const nightly = data(`    backups: [{ name: nightly, schedule: "${YEARLY}" }]\n`);
    await site.write(nightly, { daysAgo: 0 });
    await using served = site.serve();
    await served.events("reloaded", 1);
    await writeFile(site.strategy, "version: 1\ndatabases: {");
    served.signal("SIGHUP");
    const [broken] = await served.events("strategy broken", 1);
    expect(broken?.message).toContain(site.strategy);
    await site.write(nightly.replace("nightly", "weekly"));
    served.signal("SIGHUP");
    await served.events("reloaded", 2);
    expect(await served.events("job ended", 1)).toMatchObject([{ entry: "weekly", outcome: "done" }]);
    expect(await served.stop("SIGTERM")).toBe(0);
  });

  test("missing or broken at the start ends it with a hint", async () => {
    await using there = await temporaryFolder();
    const none = await runCli(["serve"], { cwd: there.path });
    expect(none).toMatchObject({ code: 2 });
    expect(none.stderr).toContain("handled init");
    await writeFile(join(there.path, "handled.yaml"), "version: 7");
    expect(await runCli(["serve"], { cwd: there.path })).toMatchObject({ code: 2 });
  });
});

test("for people it writes a line for each thing that happens", async () => {
  await using site = await openSite();
  await site.write(data(`    backups: [{ name: nightly, schedule: "${YEARLY}" }]\n`));
  const stop = new AbortController();
  const running = runCli(["serve", "--port", "0"], { cwd: site.folder, signal: stop.signal });
  await expect.poll(async () => (await site.history())[0]?.outcome, SOON).toBe("done");
  stop.abort(new Error("stopped"));
  const { stdout } = await running;
  expect(stdout).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d watching .* with 1 scheduled job$/m);
  expect(stdout).toMatch(/ data: backup nightly: started$/m);
  expect(await readFile(site.strategy, "utf8")).toContain("nightly");
  expect(ServeEventJson.shape.event.options).toContain("job started");
});
