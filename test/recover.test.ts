import { execFileSync } from "node:child_process";
import { readFile, readdir, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { AppError } from "../src/errors.ts";
import { RecoverJson } from "../src/json/recover.ts";
import { withVariable } from "../src/lib/living-processes.ts";
import { type CliOptions, type CliResult, jsonOf, runCli, spawnCli } from "./support/cli.ts";
import {
  clusterUrl,
  type FreshDatabase,
  freshDatabase,
  runSql,
  temporaryFolder,
} from "./support/postgres.ts";

let live: FreshDatabase;
beforeAll(async () => {
  live = await freshDatabase({
    sql: "create table item as select id, 'item ' || id as name from generate_series(1, 500) as id",
  });
});
afterAll(async () => await live[Symbol.asyncDispose]());

let sites = 0;

interface SiteOptions {
  readonly start?: string;
  /** Whether the application is; it was started with what is in `running.env`. */
  readonly health?: (read: (file: string) => Promise<string>) => Promise<boolean>;
}

/** Answers with status 200 or 503. */
async function answering(
  isWell: () => Promise<boolean>,
): Promise<{ readonly url: string } & AsyncDisposable> {
  const server = createServer((_, response) => {
    isWell().then(
      (well) => response.writeHead(well ? 200 : 503).end(),
      () => response.writeHead(500).end(),
    );
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => void server.close(resolve));
    },
  };
}

/** A strategy whose application is two commands that leave a trace, and its `.env`. */
async function openSite({ start = "echo started >> app.log", health }: SiteOptions = {}) {
  const there = await temporaryFolder();
  const read = async (file: string): Promise<string> => await readFile(join(there.path, file), "utf8");
  const server = health === undefined ? null : await answering(async () => await health(read));
  const name = `${live.name}_recovered_${sites++}`;
  const env = `# of the shop\nPORT=3000\nDATA_DATABASE_URL="${live.url}"\n`;
  await writeFile(join(there.path, ".env"), env);
  await writeFile(
    join(there.path, "handled.yaml"),
    `version: 1
timezone: UTC
repositories: { local: { url: backups } }
application: { stop: "cd ${there.path} && echo stopped >> app.log", start: "cd ${there.path} && cp .env running.env && ${start}", envFile: .env${server === null ? "" : `, health: "${server.url}", healthTimeout: 1s`} }
databases:
  data: { url: "${live.url}", variable: DATA_DATABASE_URL, backups: [{ name: nightly, kind: snapshot }] }
`,
    { mode: 0o600 },
  );
  const cli = async (args: readonly string[], options: CliOptions = {}): Promise<CliResult> =>
    await runCli(args, { cwd: there.path, env: { XDG_STATE_HOME: join(there.path, "state") }, ...options });
  expect(await cli(["backup"])).toMatchObject({ code: 0 });
  return {
    path: there.path,
    env,
    to: clusterUrl(name),
    cli,
    recover: async (args: readonly string[] = [], options: CliOptions = {}) =>
      await cli(["recover", "server-lost", "data", "--to", clusterUrl(name), "--yes", ...args], options),
    count: async () =>
      (await runSql<{ n: string }>(clusterUrl(name), "select count(*) as n from item"))[0]?.n,
    read,
    [Symbol.asyncDispose]: async () => {
      await server?.[Symbol.asyncDispose]();
      await runSql(clusterUrl(), `drop database if exists "${name}" with (force)`);
      await there[Symbol.asyncDispose]();
    },
  };
}

test("the rows are back elsewhere, one line of the application's .env leads there, and it was started anew", async () => {
  await using site = await openSite();
  const dry = await site.recover(["--dry-run"]);
  expect(dry.code).toBe(0);
  expect(dry.stderr).toContain("touches");
  expect(await site.read(".env")).toBe(site.env);
  const done = await site.recover(["--json"]);
  const report = RecoverJson.parse(jsonOf(done));
  // Else the next backup would be of the lost one.
  expect(done.stderr).toMatch(/the strategy's `url` of data leads to .*: let it lead to .*_recovered_/);
  expect(report.steps.map(({ id, outcome }) => `${id} ${outcome}`)).toEqual([
    "choose done",
    "server done",
    "restore done",
    "switch done",
    "restart done",
  ]);
  expect(await site.count()).toBe("500");
  expect(await site.read(".env")).toBe(site.env.replace(live.url, site.to));
  expect(await site.read("app.log")).toBe("stopped\nstarted\n");
  // Once more, because its end was not heard: nothing is broken by it.
  expect(await site.recover()).toMatchObject({ code: 0 });
  expect(await site.count()).toBe("500");
});

test("a database that has as many rows, of something else, is not taken for what was restored", async () => {
  await using site = await openSite();
  await using other = await freshDatabase({
    sql: "create table item as select id, 'test ' || id as name from generate_series(1, 500) as id",
  });
  for (const more of [[], ["--restart"]]) {
    const refused = await site.cli(["recover", "server-lost", "data", "--to", other.url, "--yes", ...more]);
    expect(refused).toMatchObject({ code: 2 });
    expect(refused.stderr).toContain("no recovery of this machine has restored it");
  }
  expect(await site.read(".env")).toBe(site.env);
});

test("a variable that somebody has given its old value meanwhile is changed again, and the application started anew for it", async () => {
  let isHealthy = false;
  await using site = await openSite({ health: async () => await Promise.resolve(isHealthy) });
  expect((await site.recover()).code).not.toBe(0);
  // Whoever is on call does not wait for a program, and then lets it go on all the same.
  await writeFile(join(site.path, ".env"), site.env);
  await writeFile(join(site.path, "running.env"), site.env);
  isHealthy = true;
  const done = await site.recover();
  expect(done, done.stderr).toMatchObject({ code: 0 });
  expect(done.stderr).toContain("done before, and no longer so: DATA_DATABASE_URL in");
  expect(await site.read(".env")).toContain(site.to);
  expect(await site.read("running.env")).toContain(site.to);
});

test("a recovery that is ended again and again, each time one operation later, goes on when the same is typed", async () => {
  await using site = await openSite();
  let ends = 0;
  for (;;) {
    const ended = new AbortController();
    let left = ends;
    // What the process would have done next it no longer does.
    const observer = (phase: string, operation: string): void => {
      const isOurs = phase === "before" && /journal|step|variable/.test(operation);
      if (isOurs && left-- === 0) ended.abort(new Error("killed"));
      if (ended.signal.aborted) throw new Error("killed");
    };
    const { code, stderr } = await site.recover([], { observer, signal: ended.signal });
    if (!ended.signal.aborted) {
      expect(code, stderr).toBe(0);
      break;
    }
    ends++;
  }
  expect(ends).toBeGreaterThan(5);
  expect(await site.count()).toBe("500");
  expect(await site.read(".env")).toBe(site.env.replace(live.url, site.to));
  expect(await readdir(join(site.path, "state/handled/recoveries"), { recursive: true })).not.toContainEqual(
    expect.stringMatching(/\.json$/),
  );
});

test("an application that cannot be started leaves a way back, and the way on", async () => {
  await using site = await openSite({ start: "test -e fixed && echo started >> app.log" });
  const failed = await site.recover();
  expect(failed.code).not.toBe(0);
  expect(failed.stderr).toContain("--back");
  expect(await site.read(".env")).toContain(site.to);
  await writeFile(join(site.path, "fixed"), "");
  const back = await site.recover(["--back"]);
  expect(back, back.stderr).toMatchObject({ code: 0 });
  expect(await site.read(".env")).toBe(site.env);
  expect(await site.read("app.log")).toBe("stopped\nstopped\nstarted\n");
  expect(await site.recover()).toMatchObject({ code: 0 });
  expect(await site.read(".env")).toContain(site.to);
});

test("a restored server that lets nobody in: nothing is pointed at it, and when it does again, the same goes on", async () => {
  await using site = await openSite();
  const before = async (moment: string, sql: string): Promise<CliResult> =>
    await site.recover([], {
      observer: (phase, operation) => {
        if (`${phase} ${operation}` !== moment) return;
        execFileSync("psql", ["--no-psqlrc", "--quiet", "--dbname", clusterUrl(), "--command", sql]);
      },
    });
  const name = new URL(site.to).pathname.slice(1);
  const refused = await before("before step switch", `alter database ${name} allow_connections false`);
  expect(refused.code, refused.stderr).toBe(20);
  expect(refused.stderr).toContain("The same command goes on");
  expect(await site.read(".env")).toBe(site.env);
  await runSql(clusterUrl(), `alter database ${name} allow_connections true`);
  expect(await site.recover()).toMatchObject({ code: 0 });
  expect(await site.read(".env")).toBe(site.env.replace(live.url, site.to));
});

test("an application that is not healthy where it was pointed is healthy again where it was", async () => {
  let healthy = (_env: string): boolean => false;
  await using site = await openSite({
    start: "test ! -e broken",
    health: async (read) => healthy(await read("running.env")),
  });
  const failed = await site.recover();
  expect(failed.code, failed.stderr).not.toBe(0);
  expect(failed.stderr).toMatch(/is not healthy: HTTP 503[^]*--back/);
  expect(await site.read(".env")).toContain(site.to);
  // The fault is in what was restored.
  healthy = (env) => env.includes(live.url);
  // The way back ends when the application cannot be started, and starts it when typed again.
  await writeFile(join(site.path, "broken"), "");
  const ended = await site.recover(["--back"]);
  expect(ended).toMatchObject({ code: 1 });
  expect(ended.stderr).toMatch(
    /go back: undo: Point .*: start the application[^]*`--back` goes on going back/,
  );
  expect(await site.read(".env")).toBe(site.env);
  await rm(join(site.path, "running.env"));
  await rm(join(site.path, "broken"));
  const back = await site.recover(["--back"]);
  expect(back, back.stderr).toMatchObject({ code: 0 });
  expect(await site.read("running.env")).toBe(site.env);
});

test("an `.env` that cannot be changed is told before the restore; mended meanwhile, its quotes and line ends stay", async () => {
  await using site = await openSite();
  const url = `DATA_DATABASE_URL=${live.url}\n`;
  for (const [text, words] of [
    ["PORT=3000\n", "no line"],
    [`${url}${url}`, "several lines"],
  ] as const) {
    await writeFile(join(site.path, ".env"), text);
    const refused = await site.recover();
    expect(refused.code).toBe(2);
    const { stderr } = refused;
    expect(stderr.indexOf("mend it meanwhile")).toBeGreaterThan(0);
    expect(stderr.indexOf("mend it meanwhile")).toBeLessThan(stderr.indexOf("step 3 of 5"));
    expect(stderr).toContain(words);
    expect(await site.read(".env")).toBe(text);
    await site.recover(["--back"]);
  }
  const odd = (to: string): string => `A=1\r\nexport DATA_DATABASE_URL='${to}' # live\r\nB="x y"\r\n`;
  await writeFile(join(site.path, ".env"), odd(live.url));
  const done = await site.recover();
  expect(done, done.stderr).toMatchObject({ code: 0 });
  expect(await site.read(".env")).toBe(odd(site.to));
  const kept = (await readdir(site.path)).filter((name) => name.startsWith(".env.before_"));
  expect(await Promise.all(kept.map(site.read))).toEqual([odd(live.url)]);
});

test("the way back is known also when the process ended before it could write down what it had kept", async () => {
  await using site = await openSite();
  const ended = new AbortController();
  const observer = (phase: string, operation: string): void => {
    if (`${phase} ${operation}` === "after switch the variable") ended.abort(new Error("killed"));
    if (ended.signal.aborted) throw new Error("killed");
  };
  await site.recover([], { observer, signal: ended.signal });
  expect(await site.read(".env")).toContain(site.to);
  expect(await site.recover(["--back"])).toMatchObject({ code: 0 });
  expect(await site.read(".env")).toBe(site.env);
});

test("stopped by a signal it says that it goes on; with another aim, what the aim was", async () => {
  await using site = await openSite();
  const stop = new AbortController();
  const stopped = await site.recover([], {
    signal: stop.signal,
    observer: (phase, operation) => {
      if (`${phase} ${operation}` === "before sql COPY")
        stop.abort(new AppError("interrupted", "stopped by SIGINT"));
    },
  });
  expect(stopped.code, stopped.stderr).toBe(130);
  expect(stopped.stderr).toMatch(/stopped by SIGINT\nhint: .*the same command goes on from there/);
  const other = await site.cli(["recover", "server-lost", "data", "--to", `${site.to}_2`, "--yes"]);
  expect(other.code).toBe(2);
  expect(other.stderr).toContain(`(target: ${new URL(site.to).pathname.slice(1)} on `);
  expect(await site.recover()).toMatchObject({ code: 0 });
  expect(await site.count()).toBe("500");
});

test("a start that hangs is ended by a signal to the program alone, and the same command goes on from there", async () => {
  await using site = await openSite({
    start: "{ test ! -e hang || { HANGING=recover sleep 1000; true; }; } && echo started >> app.log",
  });
  await writeFile(join(site.path, "hang"), "");
  const hanging = async () => (await withVariable("HANGING")).filter(({ value }) => value === "recover");
  const running = spawnCli(["recover", "server-lost", "data", "--to", site.to, "--yes"], {
    cwd: site.path,
    env: { XDG_STATE_HOME: join(site.path, "state") },
    group: true,
  });
  try {
    await expect
      .poll(async () => (await hanging()).length > 0 || running.ended(), { timeout: 45_000 })
      .toBe(true);
    process.kill(running.pid, "SIGINT");
    const stopped = await running.result;
    expect(stopped.code, stopped.stderr).toBe(130);
    expect(stopped.stderr).toMatch(/stopped by SIGINT\nhint: .*the same command goes on from there/);
    expect(await hanging()).toEqual([]);
  } finally {
    for (const { pid } of await hanging()) process.kill(pid);
    await running.result;
  }
  await rm(join(site.path, "hang"));
  const done = await site.recover(["--json"]);
  expect(done, done.stderr).toMatchObject({ code: 0 });
  expect(done.stderr).toContain("going on with the recovery that began");
  expect(await site.read("app.log")).toBe("stopped\nstopped\nstarted\n");
});

test("where to is read from standard input, so that its password need not be typed into a command", async () => {
  await using site = await openSite();
  const piped = async (text: string, ...more: string[]) =>
    await site.cli(["recover", "server-lost", "data", "--to", "-", "--yes", ...more], { piped: text });
  const nothing = await piped("\n");
  expect(nothing).toMatchObject({ code: 2 });
  expect(nothing.stderr).toContain("`--to -` reads standard input, and there is nothing");
  expect((await piped("", "--to", site.to)).stderr).toContain("`--to -` goes with no other `--to`");
  expect(await piped(`${site.to}\n`)).toMatchObject({ code: 0 });
  expect(await site.count()).toBe("500");
});

test("a database that is not empty and not what the backup has is left alone", async () => {
  await using site = await openSite();
  await using other = await freshDatabase({
    sql: "create table item as select 1 as id; create table precious (id int)",
  });
  const refused = await site.cli(["recover", "server-lost", "data", "--to", other.url, "--yes"]);
  expect(refused).toMatchObject({ code: 2 });
  expect(refused.stderr).toContain("not empty");
  expect(await runSql(other.url, "select from precious")).toEqual([]);
  expect(await site.read(".env")).toBe(site.env);
});

test("of a backup that is damaged it is told that another one is the way on", async () => {
  await using site = await openSite();
  for (const entry of await readdir(join(site.path, "backups"), { recursive: true }))
    if (entry.endsWith("/content")) await writeFile(join(site.path, "backups", entry), "no more");
  const failed = await site.recover();
  expect(failed).toMatchObject({ code: 13 });
  expect(failed.stderr).toContain("`--backup ID --restart` takes one");
  expect(await site.read(".env")).toBe(site.env);
});

test("whoever works on it with another login is told beforehand", async () => {
  await using site = await openSite();
  await writeFile(join(site.path, ".env"), "DATA_DATABASE_URL=postgresql://shop:secret@db.example/data\n");
  const warning = "the application works as shop now, and as ";
  expect((await site.recover(["--dry-run"])).stderr).toContain(warning);
  const done = await site.recover();
  expect(done, done.stderr).toMatchObject({ code: 0 });
  expect(done.stderr).toContain(warning);
});

test("what cannot be meant is told before anything is done", async () => {
  await using site = await openSite();
  const cases: [readonly string[], string][] = [
    [["recover"], "data-deleted (rows or tables were deleted)"],
    [["recover", "server-last", "data"], "there is no scenario server-last"],
    [["recover", "server-lost", "data", "--to", site.to, "--back"], "no recovery is under way"],
    [["recover", "server-lost", "date"], "date"],
    [
      ["recover", "server-lost", "data", "--backup", "20240101T000000Z-00000000", "--to", site.to, "--yes"],
      "no backup",
    ],
    [["recover", "server-lost", "data", "--to", site.to], "nobody is there to confirm it"],
  ];
  for (const [args, words] of cases) {
    const { code, stderr } = await site.cli(args);
    expect(code, args.join(" ")).not.toBe(0);
    expect(stderr).toContain(words);
  }
  expect(await site.read(".env")).toBe(site.env);
  await expect(stat(join(site.path, "app.log"))).rejects.toThrow("ENOENT");
});
