import { execFile, execFileSync } from "node:child_process";
import { promisify } from "node:util";
import { clientProgram } from "../../src/postgres/clients.ts";
import { newestClient } from "./archives.ts";

const run = promisify(execFile);

/** Loads an archive with nothing but the tools that every administrator has; fails on the first SQL error. */
export async function restoreWithStockTools(file: string, url: string): Promise<void> {
  if (file.endsWith(".dump")) {
    await run("pg_restore", ["--exit-on-error", "--dbname", url, file]);
    return;
  }
  const unpack = file.endsWith(".gz") ? "gunzip -c" : "zstd -dc";
  const script = `set -o pipefail; ${unpack} "$0" | psql -X -q -v ON_ERROR_STOP=1 -d "$1"`;
  await run("bash", ["-c", script, file, url]);
}

/** Copies a database into an empty one with nothing but `pg_dump` and `psql`. */
export async function copyWithStockTools(from: string, to: string, args = ""): Promise<void> {
  const script = `set -o pipefail; pg_dump ${args} -d "$0" | psql -X -q -v ON_ERROR_STOP=1 -d "$1"`;
  await run("bash", ["-c", script, from, to]);
}

/** Runs SQL while nothing else of this process runs: for observers, which cannot wait. Returns what psql prints. */
export type SqlNow = (url: string, sql: string) => string;

/** Debian's `psql` on the PATH is a script that takes its time; this is the program behind it. */
export async function findSqlNow(): Promise<SqlNow & { readonly psql: string }> {
  const psql = clientProgram(await newestClient(), "psql");
  const sqlNow = (url: string, sql: string): string =>
    execFileSync(psql, ["-XAtq", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", sql], { encoding: "utf8" }).trim();
  return Object.assign(sqlNow, { psql });
}
