import { writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { databaseFolder } from "../../src/repository/layout.ts";
import { openStorage } from "../../src/storage/open.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { type CliOptions, type CliResult, jsonOf, runCli } from "./cli.ts";
import { openedByAge } from "./keys.ts";
import { freshPlace } from "./fresh-place.ts";
import {
  clusterUrl,
  type FreshDatabase,
  type FreshOptions,
  freshDatabase,
  runSql,
  temporaryFolder,
} from "./postgres.ts";
import { noAbort, testRuntime } from "./runtime.ts";
import { askServer } from "./shared-server.ts";

/** A database, a repository, and a backup of the one in the other. */
export interface BackedUp extends AsyncDisposable {
  readonly live: FreshDatabase;
  /** The database's name in the repository. */
  readonly name: string;
  /** Folder of the repository; where HANDLED_TEST_PLACE asks for a bucket, its URL. */
  readonly repository: string;
  /** What lies in it, to look at and to damage. */
  readonly storage: Storage;
  /** A folder of its own. */
  readonly scratch: string;
  /** The first backup's id, where it lies, and what its archive is called. */
  readonly id: string;
  readonly archive: string;
  readonly archiveName: string;
  /** Path of a file with the archive's bytes. */
  archiveFile(): Promise<string>;
  /** Takes a further backup and returns its id. */
  backup(...args: string[]): Promise<string>;
  /** `handled restore DATABASE` with `--url` and `--repository` (default: the repository), in this process. */
  restore(args: readonly string[], options?: CliOptions, from?: string): Promise<CliResult>;
}

export interface BackedUpOptions extends FreshOptions {
  /** Further arguments of the backup: `--schema`, `--format` … */
  readonly backup?: readonly string[];
  /** The database's name in the repository; default: its own. */
  readonly as?: string;
}

export async function backedUp(options: BackedUpOptions): Promise<BackedUp> {
  const owned = new AsyncDisposableStack();
  try {
    const live = owned.use(await freshDatabase(options));
    const repository = owned.use(await freshPlace()).url;
    const scratch = owned.use(await temporaryFolder()).path;
    const name = options.as ?? live.name;
    const place = ["--url", live.url, "--repository", repository];
    const take = async (args: readonly string[]): Promise<Record<string, unknown>> => {
      const result = await runCli(["backup", name, ...place, "--json", ...args]);
      if (result.code !== 0) throw new Error(`the backup failed: ${result.stderr}`);
      return jsonOf(result);
    };
    const first = await take(options.backup ?? []);
    const archive = String(first["location"]);
    const archiveName = basename(archive.replace(/^(s3:[^?]*)\?.*$/, "$1"));
    const storage = openStorage(testRuntime(), repository);
    return {
      live,
      name,
      repository,
      storage,
      scratch,
      id: String(first["id"]),
      archive,
      archiveName,
      archiveFile: async () => {
        const path = join(scratch, archiveName.replace(/\.age$/, ""));
        const stored = await storage.get(`${databaseFolder(name)}${archiveName}`, noAbort());
        await writeFile(path, openedByAge(stored));
        return path;
      },
      backup: async (...args) => String((await take(args))["id"]),
      restore: async (args, cli, from = repository) =>
        await runCli(["restore", name, ...args, "--url", live.url, "--repository", from], cli),
      [Symbol.asyncDispose]: async () => await owned.disposeAsync(),
    };
  } catch (error) {
    await owned.disposeAsync();
    throw error;
  }
}

/** A database that the program is expected to make. Disposing drops it if it is there. */
export interface ExpectedDatabase extends AsyncDisposable {
  readonly name: string;
  readonly url: string;
  query<Row extends object = Record<string, unknown>>(sql: string): Promise<Row[]>;
}

/** @param server a superuser's URL of another cluster than the shared one */
export function expectedDatabase(name: string, server = clusterUrl()): ExpectedDatabase {
  const address = new URL(server);
  address.pathname = `/${encodeURIComponent(name)}`;
  const url = address.href;
  return {
    name,
    url,
    query: async (sql) => await runSql(url, sql),
    [Symbol.asyncDispose]: async () => {
      await ask(server, `drop database if exists "${name.replaceAll('"', '""')}" with (force)`);
    },
  };
}

async function ask<Row extends object>(
  server: string,
  sql: string,
  params: readonly unknown[] = [],
): Promise<Row[]> {
  return await (server === clusterUrl() ? askServer<Row>(sql, params) : runSql<Row>(server, sql, params));
}

/** Databases of a server whose names match a LIKE pattern. */
export async function databasesLike(pattern: string, server = clusterUrl()): Promise<string[]> {
  const rows = await ask<{ datname: string }>(
    server,
    "select datname from pg_database where datname like $1 order by 1",
    [pattern],
  );
  return rows.map((row) => row.datname);
}

/** Databases that restores of this process (or another's) are making, or have left half made. */
export async function halfMade(pid = process.pid, server = clusterUrl()): Promise<string[]> {
  const all = await databasesLike("handled\\_restoring\\_%", server);
  return all.filter((name) => new RegExp(`_${pid}_\\d+$`).test(name));
}

/** A role for one test. Disposing drops it, after everything it owns is gone. */
export async function freshRole(
  name: string,
  attributes = "nologin",
  server = clusterUrl(),
): Promise<{ name: string } & AsyncDisposable> {
  const quoted = `"${name.replaceAll('"', '""')}"`;
  await runSql(server, `create role ${quoted} ${attributes}`);
  return {
    name,
    [Symbol.asyncDispose]: async () => {
      await runSql(server, `drop owned by ${quoted} cascade; drop role if exists ${quoted}`);
    },
  };
}
