import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import pg from "pg";
import { expect, test } from "vitest";
import { HistoryJson } from "../src/json/history.ts";
import { builtProgram } from "./support/built-program.ts";
import { jsonOf, runCli } from "./support/cli.ts";
import { clientConfig, freshDatabase, temporaryFolder } from "./support/postgres.ts";
import { type Served, serve } from "./support/serve.ts";

// As many as there is time for in CI; `HANDLED_SOAK_RUNS=200` for a long one.
const RUNS = Number(process.env["HANDLED_SOAK_RUNS"] ?? 8);
const ACCOUNTS = 200;

const STRATEGY = (url: string): string => `version: 1
timezone: UTC
repositories: { local: { url: backups } }
databases:
  bank:
    url: ${url}
    lockTimeout: 1s
    backups:
      - { name: often, kind: snapshot, schedule: "* * * * *", keep: { last: 4 } }
      - { name: dump, kind: archive, schedule: "*/7 * * * *", keep: { last: 1 } }
    verify: [{ name: proof, level: content, schedule: "*/9 * * * *" }]
    prune: { schedule: "*/11 * * * *" }
daemon: { jobs: 2, retries: 1, retryAfter: 30s }
`;

/** Moves money between accounts until it is disposed: the sum stays the same. */
function startWriter(url: string): AsyncDisposable {
  const stop = new AbortController();
  const work = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      const client = new pg.Client({ ...clientConfig(url), application_name: "writer" });
      client.on("error", () => undefined);
      try {
        await client.connect();
        for (let n = 0; !stop.signal.aborted; n++) {
          await client.query(
            `update account set balance = balance + case when id = $1 then 1 else -1 end where id in ($1, $2)`,
            [(n % 100) + 1, (n % 100) + 101],
          );
          // Not as fast as it can: the machine has others to serve.
          await setTimeout(10);
          await client.query(
            "insert into journal (note) select md5(random()::text) from generate_series(1, 20)",
          );
        }
      } finally {
        await client.end();
      }
    }
  };
  const done = work();
  return {
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await done;
    },
  };
}

test(`${RUNS} scheduled runs with faults between them: every backup that is left is proven, and the daemon does not grow`, async () => {
  await using there = await temporaryFolder();
  await using database = await freshDatabase({
    sql: `create table account (id int primary key, balance int not null);
      insert into account select g, 100 from generate_series(1, ${ACCOUNTS}) g;
      create table journal (id serial primary key, note text)`,
  });
  await writeFile(join(there.path, "handled.yaml"), STRATEGY(database.url));
  const env = { FAST_ORIGIN: String(Date.now()) };
  const start = (): Served => serve(there.path, { main: builtProgram("fast-main"), env });
  const history = async (): Promise<HistoryJson["runs"]> => {
    const args = ["history", "bank", "--repository", join(there.path, "backups"), "--last", "1000", "--json"];
    return HistoryJson.parse(jsonOf(await runCli(args))).runs;
  };
  const faults: ((served: Served) => Promise<void>)[] = [
    // Its connections are cut.
    async () => {
      await database.query(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'handled%' and datname = current_database()",
      );
    },
    // A migration holds a table for longer than a backup waits.
    async () => {
      const client = new pg.Client(clientConfig(database.url));
      await client.connect();
      await client.query("begin; lock table account; select pg_sleep(1.5); commit");
      await client.end();
    },
    // A job is killed.
    async (served) => {
      for (const pid of await childrenOf(served.pid)) killIfThere(pid);
    },
    // A column comes, and with it all rows of the table are new.
    async () => {
      await database.query(
        "alter table journal add column if not exists at timestamptz default clock_timestamp()",
      );
    },
  ];
  let served = start();
  try {
    await using _ = startWriter(database.url);
    // Once, in the middle of something, the daemon itself.
    await served.events("job started", 2);
    await served.stop("SIGKILL");
    served = start();
    const sizes: { readonly memory: number; readonly files: number }[] = [];
    for (let ended = 1; ended <= RUNS; ended++) {
      await served.events("job ended", ended);
      if (ended % 4 === 0) await faults[(ended / 4) % faults.length]?.(served);
      sizes.push(await sizeOf(served.pid));
    }
    // While it looks at everything it has more open for a moment; what leaks is open at every moment.
    const fewest = Math.min(...sizes.slice(0, 3).map(({ files }) => files));
    await expect
      .poll(async () => (await sizeOf(served.pid)).files, { timeout: 60_000 })
      .toBeLessThanOrEqual(fewest + 4);
    expect(await served.stop("SIGTERM")).toBe(0);
    const early = sizes[Math.floor(RUNS / 4)];
    const late = sizes.at(-1);
    expect(late?.memory).toBeLessThan((early?.memory ?? 0) * 1.3);
  } finally {
    await served[Symbol.asyncDispose]();
  }
  const runs = await history();
  // None is left as if it still ran, and some of each kind worked.
  expect(runs.filter(({ outcome }) => outcome === null)).toEqual([]);
  const done = new Set(runs.filter(({ outcome }) => outcome === "done").map(({ operation }) => operation));
  expect(done).toContain("backup");
  const listed = jsonOf(await runCli(["list", "bank", "--json"], { cwd: there.path })) as {
    databases: { backups: { id: string }[]; damaged: unknown[] }[];
  };
  const [bank] = listed.databases;
  expect(bank?.damaged).toEqual([]);
  expect(bank?.backups.length).toBeGreaterThan(0);
  for (const { id } of bank?.backups ?? []) {
    const verified = await runCli(["verify", "bank", id, "--level", "content"], { cwd: there.path });
    expect(verified, verified.stderr).toMatchObject({ code: 0 });
  }
  const into = `${database.name}_soak`;
  const restored = await runCli(["restore", "bank", "--new-database", into], { cwd: there.path });
  expect(restored, restored.stderr).toMatchObject({ code: 0 });
  await using back = await opened(database.url.replace(database.name, into));
  const [row] = await back.query("select count(*)::int as accounts, sum(balance)::int as sum from account");
  await database.query(`drop database ${into} with (force)`);
  expect(row).toEqual({ accounts: ACCOUNTS, sum: ACCOUNTS * 100 });
}, 600_000);

async function opened(
  url: string,
): Promise<{ query: (sql: string) => Promise<unknown[]> } & AsyncDisposable> {
  const client = new pg.Client(clientConfig(url));
  client.on("error", () => undefined);
  await client.connect();
  return {
    query: async (sql) => (await client.query<Record<string, unknown>>(sql)).rows,
    [Symbol.asyncDispose]: async () => await client.end(),
  };
}

/** Resident bytes and open files of a process. */
async function sizeOf(pid: number): Promise<{ readonly memory: number; readonly files: number }> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  const memory = Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) * 1024;
  return { memory, files: (await readdir(`/proc/${pid}/fd`)).length };
}

async function childrenOf(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8");
  return text
    .split(" ")
    .filter((one) => one !== "")
    .map(Number);
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
