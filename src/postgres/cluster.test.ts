import { spawn } from "node:child_process";
import { once } from "node:events";
import { access, chmod, mkdir, readFile, readdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { freshCluster, runSql, temporaryFolder } from "../../test/support/postgres.ts";
import { noAbort, testRuntime } from "../../test/support/runtime.ts";
import { startCluster, stopStaleCluster } from "./cluster.ts";
import { isProcessOf } from "./server-process.ts";

test("a cluster answers by TCP and by socket, survives a restart on the same port, and leaves nothing behind", async () => {
  const cluster = await freshCluster({ settings: { work_mem: "7MB" }, superuser: "the boss" });
  try {
    expect(await runSql(cluster.url(), "SHOW work_mem")).toEqual([{ work_mem: "7MB" }]);
    expect(await runSql(cluster.url(), "SELECT current_user::text AS name")).toEqual([{ name: "the boss" }]);
    await access(join(cluster.socketFolder ?? "", `.s.PGSQL.${cluster.port}`));
    const { pid } = cluster;
    await cluster.stop();
    await expect(runSql(cluster.url(), "SELECT 1")).rejects.toThrow();
    await cluster.stop();
    await cluster.start();
    expect(cluster.pid).not.toBe(pid);
    expect(await runSql(cluster.url(), "SELECT 1 AS a")).toEqual([{ a: 1 }]);
    if (process.getuid?.() === 0) expect((await stat(`/proc/${cluster.pid}`)).uid).not.toBe(0);
  } finally {
    await cluster[Symbol.asyncDispose]();
  }
  await expect(access(cluster.folder)).rejects.toMatchObject({ code: "ENOENT" });
  expect(await isProcessOf(cluster.pid, join(cluster.folder, "data"))).toBe(false);
});

test("a made-up password is needed, known as a secret, and in no file of the cluster", async () => {
  const runtime = testRuntime();
  await using folder = await temporaryFolder();
  await chmod(folder.path, 0o755);
  const options = { folder: join(folder.path, "c"), auth: "scram-sha-256", fast: true } as const;
  await using cluster = await startCluster(runtime, options, noAbort());
  const { password = "" } = cluster;
  expect(password.length).toBeGreaterThan(15);
  expect(runtime.secrets.redact(cluster.url())).not.toContain(password);
  await expect(runSql(cluster.url().replace(password, "wrong"), "SELECT 1")).rejects.toMatchObject({
    code: "28P01",
  });
  expect(await runSql(cluster.url(), "SELECT 1 AS a")).toEqual([{ a: 1 }]);
  expect(await readdir(cluster.folder)).not.toContain("password");
});

test("a cluster that was left running is stopped by its folder alone, and its files stay", async () => {
  await using folder = await temporaryFolder();
  await chmod(folder.path, 0o755);
  const place = join(folder.path, "c");
  const runtime = testRuntime();
  const cluster = await startCluster(runtime, { folder: place, keepRunning: true, fast: true }, noAbort());
  await cluster[Symbol.asyncDispose]();
  expect(await runSql(cluster.url(), "SELECT 1 AS a")).toEqual([{ a: 1 }]);
  expect(await stopStaleCluster(runtime, place, noAbort())).toBe(true);
  await expect(runSql(cluster.url(), "SELECT 1")).rejects.toThrow();
  await access(join(place, "data", "PG_VERSION"));
  expect(await stopStaleCluster(runtime, place, noAbort())).toBe(false);
});

test("a process that inherited the number in an old postmaster.pid is left alone", async () => {
  await using folder = await temporaryFolder();
  const stranger = spawn("sleep", ["600"]);
  try {
    await mkdir(join(folder.path, "data"));
    await writeFile(join(folder.path, "data", "postmaster.pid"), `${stranger.pid}\n${folder.path}/data\n`);
    expect(await stopStaleCluster(testRuntime(), folder.path, noAbort())).toBe(false);
    expect(stranger.exitCode ?? stranger.signalCode).toBeNull();
  } finally {
    stranger.kill();
    await once(stranger, "close");
  }
  expect(await stopStaleCluster(testRuntime(), join(folder.path, "nowhere"), noAbort())).toBe(false);
});

test("a server that does not start is an error with the end of its log, and its folder goes away", async () => {
  await using folder = await temporaryFolder();
  await chmod(folder.path, 0o755);
  const place = join(folder.path, "c");
  const options = { folder: place, settings: { shared_buffers: "nonsense" } };
  await expect(startCluster(testRuntime(), options, noAbort())).rejects.toMatchObject({
    code: "tool_failed",
    message: expect.stringMatching(
      /start a PostgreSQL server in .*: the server did not start: .*shared_buffers/,
    ),
  });
  await expect(access(place)).rejects.toMatchObject({ code: "ENOENT" });
});

test("a folder with something in it is refused and left as it is", async () => {
  await using folder = await temporaryFolder();
  await writeFile(join(folder.path, "mine"), "");
  await expect(startCluster(testRuntime(), { folder: folder.path }, noAbort())).rejects.toMatchObject({
    code: "target_exists",
  });
  expect(await readdir(folder.path)).toEqual(["mine"]);
});

test("a cancelled start leaves neither a server nor a folder", async () => {
  await using folder = await temporaryFolder();
  await chmod(folder.path, 0o755);
  const place = join(folder.path, "c");
  const stop = new AbortController();
  const runtime = testRuntime({
    observer: (phase, operation) => {
      // The server has started, and the start was cancelled just before we learn of it.
      if (phase === "after" && operation === "child pg_ctl") stop.abort(new Error("enough"));
    },
  });
  await expect(startCluster(runtime, { folder: place, fast: true }, stop.signal)).rejects.toThrow("enough");
  await expect(access(place)).rejects.toMatchObject({ code: "ENOENT" });
});

test("a missing version of the server programs is named with its package", async () => {
  await using folder = await temporaryFolder();
  await expect(
    startCluster(testRuntime(), { folder: join(folder.path, "c"), major: 8 }, noAbort()),
  ).rejects.toMatchObject({ code: "client_missing", hint: "`apt-get install postgresql-8`" });
});

test("the log of a server lies in its folder", async () => {
  await using cluster = await freshCluster();
  await runSql(cluster.url(), "SELECT 1/0").catch(() => undefined);
  expect(await readFile(join(cluster.folder, "log"), "utf8")).toContain("division by zero");
});
