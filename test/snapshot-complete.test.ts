import { execFile } from "node:child_process";
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { findServerPrograms } from "../src/postgres/cluster-control.ts";
import { startCluster } from "../src/postgres/cluster.ts";
import { type CliResult, runCli } from "./support/cli.ts";
import {
  COMPLETE_ROLES_SQL,
  completeDatabaseSql,
  CONFIGURED_EXTENSION,
} from "./support/complete-database.ts";
import { dumpText } from "./support/dump-text.ts";
import { mirrorInstallation } from "./support/mirrored-installation.ts";
import { runSql, temporaryFolder } from "./support/postgres.ts";
import { noAbort, testRuntime } from "./support/runtime.ts";

const run = promisify(execFile);

function expectDone(result: CliResult): void {
  expect(result.code, result.stderr).toBe(0);
}

/** Copies a database with nothing but `pg_dump` and `psql`. */
async function copyWithStockTools(from: string, to: string, args = ""): Promise<void> {
  const script = `set -o pipefail; pg_dump ${args} -d "$0" | psql -X -q -v ON_ERROR_STOP=1 -d "$1"`;
  await run("bash", ["-c", script, from, to]);
}

/** Runs a script statement by statement, as some of its statements demand. */
async function runScript(url: string, sql: string | Buffer): Promise<void> {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "script.sql");
  await writeFile(path, sql);
  await run("psql", ["-X", "-q", "-v", "ON_ERROR_STOP=1", "-o", "/dev/null", "-d", url, "-f", path], {
    env: { ...process.env, PGOPTIONS: "-c client_min_messages=error" },
  });
}

test("all that stock tools bring back of a database comes back from a snapshot, and is proven", async () => {
  const runtime = testRuntime();
  const signal = noAbort();
  await using installed = await mirrorInstallation(
    await findServerPrograms(runtime, undefined, signal),
    CONFIGURED_EXTENSION.files,
  );
  await using cluster = await startCluster(
    runtime,
    {
      folder: await mkdtemp(join(tmpdir(), `handled-test-cluster-${process.pid}-`)),
      programs: installed.programs,
      fast: true,
      settings: { max_wal_size: "256MB", log_min_messages: "fatal", wal_level: "logical" },
    },
    signal,
  );
  await using repository = await temporaryFolder();
  await runScript(cluster.url(), COMPLETE_ROLES_SQL);
  for (const name of ["complete", "stock"]) {
    await runSql(cluster.url(), `create database ${name} template template0`);
  }
  await runScript(cluster.url("complete"), completeDatabaseSql());
  const place = ["--url", cluster.url("complete"), "--repository", repository.path];

  expectDone(await runCli(["backup", "complete", "--kind", "snapshot", "--jobs", "2", ...place]));
  expectDone(await runCli(["restore", "complete", ...place, "--new-database", "ours"]));
  await copyWithStockTools(cluster.url("complete"), cluster.url("stock"));

  const [ours, stock, source] = [
    await dumpText(cluster.url("ours")),
    await dumpText(cluster.url("stock")),
    await dumpText(cluster.url("complete")),
  ];
  expect(ours.definitions).toEqual(stock.definitions);
  // Stock tools refresh materialized views while the event trigger that writes this table is there already.
  const log = "COPY tables.ddl_log (tag) FROM stdin;";
  expect(ours.rows[log]).toEqual(source.rows[log]);
  expect({ ...ours.rows, [log]: [] }).toEqual({ ...stock.rows, [log]: [] });
  expect(Object.keys(ours.rows).length).toBeGreaterThan(130);

  const proof = await runCli([
    "verify",
    "complete",
    "--level",
    "content",
    ...place.slice(2),
    "--to",
    cluster.url(),
  ]);
  expectDone(proof);
}, 120_000);
