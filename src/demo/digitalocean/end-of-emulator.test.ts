import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { makeCertificates } from "../../../test/support/certificates.ts";
import { clusterFolder } from "../../../test/support/cluster-folder.ts";
import { ask, NEW_CLUSTER, testEmulator } from "../../../test/support/emulator.ts";
import { runSql, temporaryFolder } from "../../../test/support/postgres.ts";
import { noAbort, testRuntime } from "../../../test/support/runtime.ts";
import { DAY_MS } from "./account.ts";
import { startEmulator } from "./emulator.ts";

const MAIN = join(import.meta.dirname, "../../../test/support/emulator-main.ts");

test("stopping it removes every server and file, also of a cluster that is just being made", async () => {
  const home = await clusterFolder();
  await chmod(home, 0o711);
  const runtime = testRuntime({ env: { TMPDIR: home } });
  let url = "";
  {
    await using emulator = await startEmulator(runtime, { firstBackup: false }, noAbort());
    ({ url } = await emulator.makeCluster("shop"));
    expect(await runSql(url, "select 1 as a")).toEqual([{ a: 1 }]);
    await ask(emulator, "POST", "/v2/databases", { ...NEW_CLUSTER, name: "half-made" });
    expect(await readdir(home)).toHaveLength(1);
  }
  expect(await readdir(home)).toEqual([]);
  await expect(runSql(url, "select")).rejects.toMatchObject({ code: "ECONNREFUSED" });
  await rm(home, { recursive: true });
});

test("what a killed process leaves is removed, with its servers, by the next one", async () => {
  const home = await clusterFolder();
  await chmod(home, 0o711);
  const child = spawn(process.execPath, [MAIN], {
    env: { ...process.env, TMPDIR: home },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  const url = line.toString().trim();
  expect(await runSql(url, "select 1 as a")).toEqual([{ a: 1 }]);
  child.kill("SIGKILL");
  await once(child, "close");
  expect(await readdir(home)).toHaveLength(1);
  {
    await using _next = await startEmulator(testRuntime({ env: { TMPDIR: home } }), {}, noAbort());
    await expect(runSql(url, "select")).rejects.toMatchObject({ code: "ECONNREFUSED" });
  }
  expect(await readdir(home)).toEqual([]);
  await rm(home, { recursive: true });
});

test("with certificates, servers and their forks speak TLS only, and the authority is given out", async () => {
  await using folder = await temporaryFolder();
  const { authority, files } = await makeCertificates(folder.path);
  const tls = {
    authority: await readFile(authority, "utf8"),
    certificate: files["server.crt"],
    key: files["server.key"],
  };
  await using emulator = await testEmulator({ tls });
  const made = await ask(emulator, "POST", "/v2/databases", { ...NEW_CLUSTER, name: "shop" });
  await emulator.settled("shop");
  const restored = { ...NEW_CLUSTER, name: "restored", backup_restore: { database_name: "shop" } };
  const fork = await ask(emulator, "POST", "/v2/databases", restored);
  await emulator.settled("restored");
  for (const { body } of [made, fork]) {
    const { id } = body.database;
    const { connection } = (await ask(emulator, "GET", `/v2/databases/${id}`)).body.database;
    expect(connection).toMatchObject({ ssl: true, uri: expect.stringContaining("sslmode=require") });
    const { ca } = (await ask(emulator, "GET", `/v2/databases/${id}/ca`)).body;
    expect(Buffer.from(ca.certificate, "base64").toString()).toBe(tls.authority);
    const encrypted = connection.uri.replace("sslmode=require", "sslmode=no-verify");
    expect(await runSql(encrypted, "select ssl from pg_stat_ssl where pid = pg_backend_pid()")).toEqual([
      { ssl: true },
    ]);
    await expect(runSql(connection.uri.replace(/\?.*/, ""), "select")).rejects.toMatchObject({
      code: "28000",
    });
  }
});

test("of two requests at a time for the last place, one gets it; it may have a past", async () => {
  await using emulator = await testEmulator({ maxClusters: 1, startAgo: 2.5 * DAY_MS });
  const create = (name: string): Promise<{ status: number }> =>
    ask(emulator, "POST", "/v2/databases", { ...NEW_CLUSTER, name });
  const both = await Promise.all([create("one"), create("two")]);
  expect(both.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([201, 422]);
  const [database] = (await ask(emulator, "GET", "/v2/databases")).body.databases;
  await emulator.settled(database.name);
  await emulator.catchUp();
  const { backups } = (await ask(emulator, "GET", `/v2/databases/${database.id}/backups`)).body;
  const days = backups.map(({ created_at }: { created_at: string }) =>
    Math.round((2 * (Date.now() - Date.parse(created_at))) / DAY_MS),
  );
  expect(days).toEqual([5, 3, 1]);
});
