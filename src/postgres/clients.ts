import { access, constants, readdir, realpath, stat } from "node:fs/promises";
import { basename, delimiter, isAbsolute, join } from "node:path";
import { AppError, errorCode, isAppError } from "../errors.ts";
import { runForText } from "../lib/process.ts";
import type { Runtime } from "../lib/runtime.ts";

// Older ones cannot write what we rely on, and PostgreSQL no longer mends them.
const OLDEST_MAJOR = 14;

/** A folder with PostgreSQL's programs. */
export interface PostgresClient {
  readonly folder: string;
  /** In the form of `server_version_num`: 150018 for 15.18, 90624 for 9.6.24. */
  readonly version: number;
  /** What the program says of itself: `pg_dump (PostgreSQL) 15.18 (Debian …)`. */
  readonly label: string;
}

export type ClientProgram = "pg_dump" | "pg_restore" | "psql" | "pg_dumpall";

/** Every installed set of client programs, lowest version first; one that cannot be run is left out with a warning. */
export async function findClients(runtime: Runtime, signal: AbortSignal): Promise<PostgresClient[]> {
  return await findInstallations(runtime, "pg_dump", signal);
}

/**
 * The client for a server: `pg_dump` refuses servers newer than itself, and the lowest that suffices writes dumps that
 * most programs can read. Fails with `client_missing`, naming the package to install.
 */
export function chooseClient(clients: readonly PostgresClient[], serverVersion: number): PostgresClient {
  const needed = Math.max(majorOf(serverVersion), OLDEST_MAJOR);
  const [chosen] = clients
    .filter((client) => majorOf(client.version) >= needed)
    .toSorted((a, b) => majorOf(a.version) - majorOf(b.version) || b.version - a.version);
  if (chosen !== undefined) return chosen;
  const installed =
    clients.length === 0 ? "none is installed" : `installed: ${clients.map(shortVersion).join(", ")}`;
  throw new AppError(
    "client_missing",
    `choose PostgreSQL client programs of version ${needed} or newer: ${installed}`,
    {
      hint: `\`apt-get install postgresql-client-${needed}\` (older Debian: add apt.postgresql.org first), or \`brew install postgresql@${needed}\``,
      details: { needed, installed: clients.map((client) => client.label) },
    },
  );
}

/** Absolute path of one of a client's programs. */
export function clientProgram(client: PostgresClient, program: ClientProgram): string {
  return join(client.folder, program);
}

/** `150018` → 15, `90624` → 9: the part that decides which servers and dumps a program understands. */
export function majorOf(version: number): number {
  return Math.floor(version / 10_000);
}

/** Every folder that holds the program and says its version, lowest version first, each real file once. */
export async function findInstallations(
  runtime: Runtime,
  program: string,
  signal: AbortSignal,
): Promise<PostgresClient[]> {
  const found = new Map<string, PostgresClient>();
  for (const folder of await candidateFolders(runtime)) {
    const path = join(folder, program);
    const file = await executable(path);
    // Debian's wrapper runs whichever version its own settings name, so its version means nothing.
    if (file === undefined || basename(file.real) === "pg_wrapper" || found.has(file.real)) continue;
    const said = known.get(file.identity) ?? (await readVersion(runtime, path, signal));
    if (said === undefined) continue;
    known.set(file.identity, said);
    found.set(file.real, { folder, ...said });
  }
  return [...found.values()].toSorted((a, b) => a.version - b.version);
}

/** The version in `pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`; undefined when the text has none. */
export function parseVersion(label: string): number | undefined {
  const match = /\(PostgreSQL\) (\d+)(?:\.(\d+))?(?:\.(\d+))?/.exec(label);
  if (match === null) return undefined;
  const [major = 0, minor = 0, patch = 0] = match.slice(1).map((part) => Number(part ?? 0));
  return major >= 10 ? major * 10_000 + minor : major * 10_000 + minor * 100 + patch;
}

type Said = Pick<PostgresClient, "version" | "label">;

/** What programs have said of themselves, by their files' identity: a daemon looks for them again and again. */
const known = new Map<string, Said>();

async function readVersion(runtime: Runtime, path: string, signal: AbortSignal): Promise<Said | undefined> {
  const env = { ...runtime.env, LC_ALL: "C" };
  try {
    const label = (await runForText(runtime, { program: path, args: ["--version"], env }, signal)).trim();
    const version = parseVersion(label);
    if (version !== undefined) return { version, label };
    runtime.reporter.warn(`${path} does not say its version and is not used`);
  } catch (error) {
    if (!isAppError(error, "tool_failed") && !isAppError(error, "client_missing")) throw error;
    runtime.reporter.warn(`${path} cannot be run and is not used: ${error.message}`);
  }
  return undefined;
}

async function candidateFolders(runtime: Runtime): Promise<string[]> {
  const fromPath = (runtime.env["PATH"] ?? "").split(delimiter).filter((folder) => isAbsolute(folder));
  const homebrew = ["/opt/homebrew/opt", "/usr/local/opt", "/home/linuxbrew/.linuxbrew/opt"];
  const installed = await Promise.all([
    subfolders("/usr/lib/postgresql", /^\d/),
    subfolders("/usr", /^pgsql-\d/),
    ...homebrew.map((folder) => subfolders(folder, /^(postgresql(@\d+)?|libpq)$/)),
  ]);
  return [...fromPath, ...installed.flat()];
}

/** The `bin` folders of the folders whose names fit. */
async function subfolders(parent: string, name: RegExp): Promise<string[]> {
  try {
    const names = await readdir(parent);
    return names.filter((entry) => name.test(entry)).map((entry) => join(parent, entry, "bin"));
  } catch (error) {
    if (isAbsent(error)) return [];
    throw error;
  }
}

interface Executable {
  readonly real: string;
  /** Another one where the file was replaced. */
  readonly identity: string;
}

async function executable(path: string): Promise<Executable | undefined> {
  try {
    await access(path, constants.X_OK);
    const real = await realpath(path);
    const { dev, ino, mtimeMs, size } = await stat(real);
    return { real, identity: [path, real, dev, ino, mtimeMs, size].join("\0") };
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

function isAbsent(error: unknown): boolean {
  return ["ENOENT", "ENOTDIR", "EACCES", "ELOOP"].includes(errorCode(error) ?? "");
}

function shortVersion(client: PostgresClient): string {
  const major = majorOf(client.version);
  return major >= 10 ? `${major}.${client.version % 10_000}` : client.label;
}
