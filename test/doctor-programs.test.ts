import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { findClients, type PostgresClient } from "../src/postgres/clients.ts";
import { freshDatabase, temporaryFolder } from "./support/postgres.ts";
import { noAbort, testRuntime } from "./support/runtime.ts";
import { diagnose, found, problems, notOk } from "./support/diagnose.ts";

test("without client programs it is exit 21, for the machine and for the server", async () => {
  await using database = await freshDatabase();
  const report = await diagnose({ url: database.url, request: { findClients: () => Promise.resolve([]) } });
  expect(report.exitCode).toBe(21);
  expect(problems(report)).toEqual(["clients", "client"]);
});

test("a server newer than every client is exit 21, with what to install", async () => {
  await using database = await freshDatabase();
  const old: PostgresClient = { folder: "/old/bin", version: 140_005, label: "pg_dump (PostgreSQL) 14.5" };
  const report = await diagnose({
    url: database.url,
    request: { findClients: () => Promise.resolve([old]) },
  });
  expect(report.exitCode).toBe(21);
  expect(problems(report)).toEqual(["client"]);
  expect(found(report, "client").hint).toContain("apt-get install postgresql-client-");
});

test("clients that cannot be run are told", async () => {
  await using database = await freshDatabase();
  await using folder = await temporaryFolder();
  await writeFile(join(folder.path, "pg_dump"), "#!/bin/sh\nexit 3\n", { mode: 0o755 });
  const runtime = testRuntime({ env: { PATH: `${folder.path}:${process.env["PATH"] ?? ""}` } });
  const report = await diagnose({ url: database.url, runtime });
  expect(notOk(report)).toEqual([expect.stringContaining(`${folder.path}/pg_dump cannot be run`)]);
  expect(runtime.warnings).toEqual([]);
});

test("zstd is looked for when a plain backup wants it, on the PATH that the backup will have", async () => {
  await using database = await freshDatabase();
  await using folder = await temporaryFolder();
  const runtime = testRuntime({ env: { PATH: folder.path } });
  const backups = [{ name: "nightly", format: "plain", compression: "zstd" }] as const;
  // The clients are those of the whole machine: only zstd shall be missing.
  const request = { findClients: () => findClients(testRuntime(), noAbort()) };
  const report = await diagnose({ url: database.url, runtime, backups, request });
  expect(report.exitCode).toBe(21);
  expect(problems(report)).toEqual(["zstd"]);
  expect(found(await diagnose({ url: database.url, backups }), "zstd").level).toBe("ok");
});

test("custom archives with zstd need a client of version 16", async () => {
  await using database = await freshDatabase();
  const backups = [{ name: "nightly", format: "custom", compression: "zstd" }] as const;
  const client = (version: number): PostgresClient => ({ folder: "/pg/bin", version, label: `${version}` });
  const [row] = await database.query<{ major: number }>(
    "select current_setting('server_version_num')::int / 10000 as major",
  );
  const ask = async (version: number): Promise<number> =>
    (
      await diagnose({
        url: database.url,
        backups,
        request: { findClients: () => Promise.resolve([client(version)]) },
      })
    ).exitCode;
  expect(await ask(Math.max(16, row?.major ?? 0) * 10_000)).toBe(0);
  if ((row?.major ?? 0) < 16) expect(await ask(150_018)).toBe(21);
});
