import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Cluster } from "../src/postgres/cluster.ts";
import { errorCode } from "../src/errors.ts";
import { type CliProcess, type CliResult, jsonOf, runCli, spawnCli } from "./support/cli.ts";
import { filesOf } from "./support/leftovers.ts";
import {
  clientConfig,
  freshCluster,
  type FreshDatabase,
  freshDatabase,
  runSql,
  temporaryFolder,
} from "./support/postgres.ts";

/** With everything that a URL, a service file, a shell, JSON or SQL could stumble over. */
const PASSWORD = `p@:/% '"\\&?#=$x`;

let cluster: Cluster;
let database: FreshDatabase;
beforeAll(async () => {
  cluster = await freshCluster({ password: "admin-secret" });
  const quoted = `'${PASSWORD.replaceAll("'", "''")}'`;
  await runSql(cluster.url(), `create role backup_role superuser login password ${quoted}`);
  database = await freshDatabase({
    cluster: cluster.url(),
    sql: "create table t as select g, md5(g::text) as pad from generate_series(1, 20000) g",
  });
});
afterAll(async () => await cluster[Symbol.asyncDispose]());

/** Every form in which the password might be seen. */
const FORMS = [PASSWORD, encodeURIComponent(PASSWORD), JSON.stringify(PASSWORD).slice(1, -1)];

function expectSecretFree(text: string): void {
  for (const form of FORMS) expect(text.includes(form)).toBe(false);
}

/**
 * What all users of the machine could read while the process ran: the arguments of every process, again and again.
 * `pg_dump` is held up, by a lock on a catalogue that it alone reads, until it has been seen.
 */
async function watchArguments(running: CliProcess, url: string): Promise<Set<string>> {
  const seen = new Set<string>();
  const holder = new pg.Client(clientConfig(url));
  await holder.connect();
  try {
    await holder.query("begin; lock table pg_catalog.pg_event_trigger in access exclusive mode");
    let held = true;
    while (!running.ended()) {
      for (const pid of await readdir("/proc")) if (/^\d+$/.test(pid)) seen.add(await argumentsOf(pid));
      if (!held || ![...seen].some(isDump)) continue;
      await holder.query("rollback");
      held = false;
    }
    expect(held, "pg_dump was never seen, so this proves nothing").toBe(false);
    return seen;
  } finally {
    await holder.end();
  }
}

const isDump = (line: string): boolean => line.includes("pg_dump --format=plain");

async function argumentsOf(pid: string): Promise<string> {
  try {
    return (await readFile(`/proc/${pid}/cmdline`, "utf8")).replaceAll("\0", " ");
  } catch (error) {
    if (["ENOENT", "ESRCH"].includes(errorCode(error) ?? "")) return "";
    throw error;
  }
}

/** Neither what was printed nor what was stored, archives unpacked, has the password. */
async function expectNoSecret(result: CliResult, folder: string): Promise<void> {
  expectSecretFree(result.stdout + result.stderr);
  for (const file of await filesOf(folder)) {
    const bytes = await readFile(join(folder, file));
    expectSecretFree((file.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString("latin1"));
  }
}

const at = (parts: Record<string, string | number>): string =>
  Object.entries(parts)
    .map(([name, value]) => `${name}=${value}`)
    .join("\n");

describe("a difficult password", () => {
  const hostAndPort = (): string => `127.0.0.1:${cluster.port}`;
  /** Ways to say it, as the variable DATABASE_URL of a strategy and what else the environment holds. */
  const ways: [string, (folder: string) => Promise<Record<string, string>>][] = [
    [
      "in a URL",
      async () =>
        await Promise.resolve({
          DATABASE_URL: `postgresql://backup_role:${encodeURIComponent(PASSWORD)}@${hostAndPort()}/${database.name}`,
        }),
    ],
    [
      "in a URL whose first host is dead",
      async () =>
        await Promise.resolve({
          DATABASE_URL: `postgresql://backup_role:${encodeURIComponent(PASSWORD)}@127.0.0.1:1,${hostAndPort()}/${database.name}`,
        }),
    ],
    [
      "in a service file",
      async (folder) => {
        const login = { host: "127.0.0.1", port: cluster.port, dbname: database.name, user: "backup_role" };
        await writeFile(join(folder, "services"), `[mine]\n${at({ ...login, password: PASSWORD })}\n`);
        return { DATABASE_URL: "service=mine", PGSERVICEFILE: join(folder, "services") };
      },
    ],
    [
      "in a password file",
      async (folder) => {
        const escaped = PASSWORD.replaceAll(/[\\:]/g, (char) => `\\${char}`);
        await writeFile(join(folder, "pass"), `127.0.0.1:*:*:backup_role:${escaped}\n`, { mode: 0o600 });
        return {
          DATABASE_URL: `host=127.0.0.1 port=${cluster.port} dbname=${database.name} user=backup_role`,
          PGPASSFILE: join(folder, "pass"),
        };
      },
    ],
    [
      "in the environment",
      async () =>
        await Promise.resolve({
          DATABASE_URL: `postgresql://backup_role@${hostAndPort()}/${database.name}`,
          PGPASSWORD: PASSWORD,
        }),
    ],
  ];

  test.each(ways)("%s works, and nobody sees it", async (_, prepare) => {
    await using folder = await temporaryFolder();
    const env = await prepare(folder.path);
    const repository = join(folder.path, "repository");
    const strategy = join(folder.path, "handled.yaml");
    const text = `version: 1
repositories: { local: { url: ${repository} } }
databases: { data: { url: "\${DATABASE_URL}", repository: local, backups: [{ name: nightly, kind: archive }] } }
`;
    await writeFile(strategy, text);
    const running = spawnCli(["backup", "--config", strategy, "--json", "--verbose"], { env });
    const [result, seen] = await Promise.all([running.result, watchArguments(running, database.url)]);
    expect(result, result.stderr).toMatchObject({ code: 0 });
    expect(jsonOf(result)).toMatchObject({ database: "data", rows: 20_000 });
    expectSecretFree([...seen].join("\n"));
    await expectNoSecret(result, repository);
  });

  test("in our own arguments is covered up once the program runs", async () => {
    await using folder = await temporaryFolder();
    const url = `postgresql://backup_role:${encodeURIComponent(PASSWORD)}@${hostAndPort()}/${database.name}`;
    await using reader = await freshDatabase({ cluster: cluster.url() });
    const running = spawnCli(["backup", "--url", url, "--repository", folder.path]);
    // From the first statement on the server until the end.
    const began = "select 1 from pg_stat_activity where application_name ~ '^handled' and datname = $1";
    while (!running.ended() && (await reader.query(began, [database.name])).length === 0) continue;
    const [result, seen] = await Promise.all([running.result, watchArguments(running, database.url)]);
    expect(result, result.stderr).toMatchObject({ code: 0 });
    expectSecretFree([...seen].join("\n"));
    expect([...seen].some((line) => line.includes("backup --url postgresql://backup_role:***@"))).toBe(true);
    await expectNoSecret(result, folder.path);
  });
});

describe("a wrong password", () => {
  test.each([
    ["text", []],
    ["JSON", ["--json", "--verbose"]],
  ])("is refused with exit 20 and not told (%s)", async (_, args) => {
    await using folder = await temporaryFolder();
    const wrong = `${PASSWORD} and more`;
    const url = `postgresql://backup_role:${encodeURIComponent(wrong)}@127.0.0.1:${cluster.port}/${database.name}`;
    const result = await runCli(["backup", "--url", url, "--repository", folder.path, ...args]);
    expect(result.code).toBe(20);
    expect(result.stderr).toContain('password authentication failed for user "backup_role"');
    expect(result.stderr).toContain("hint: check user and password");
    expectSecretFree(result.stdout + result.stderr);
    expect(await filesOf(folder.path)).toEqual([]);
  });

  test("none at all is exit 20 too", async () => {
    await using folder = await temporaryFolder();
    const url = `postgresql://backup_role@127.0.0.1:${cluster.port}/${database.name}`;
    const result = await runCli(["backup", "--url", url, "--repository", folder.path]);
    expect(result.code).toBe(20);
    expect(result.stderr).toContain("the server asks for a password, none is known");
  });
});
