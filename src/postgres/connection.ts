import { access } from "node:fs/promises";
import { userInfo } from "node:os";
import { join } from "node:path";
import { AppError, errorCode } from "../errors.ts";
import type { Runtime } from "../lib/runtime.ts";
import { parseConnectionKeywords } from "./connection-keywords.ts";
import { isConnectionUri, parseConnectionUri } from "./connection-uri.ts";
import { type Address, readAddresses } from "./addresses.ts";
import { type Parameters, USED_PARAMETERS, type UsedParameter } from "./parameters.ts";
import { homeFolder } from "../lib/home-folder.ts";
import { findPassword, readPassFile } from "./pass-file.ts";
import { readService } from "./service-file.ts";

const SSL_MODES = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] as const;
const SESSION_ATTRIBUTES = [
  "any",
  "read-write",
  "read-only",
  "primary",
  "standby",
  "prefer-standby",
] as const;

// libpq waits for ever when nothing is said; a backup at night must fail in time to be tried again.
const CONNECT_TIMEOUT_SECONDS = 10;

/** How TLS is used; the meanings are libpq's (PostgreSQL manual, "SSL Support"). */
type SslMode = (typeof SSL_MODES)[number];

export interface Host {
  /** A name, an address, or the absolute folder of a Unix socket. */
  readonly host: string;
  readonly port: number;
  /** From the connection string, the environment, the service file or the password file, in libpq's order. */
  readonly password: string | undefined;
}

/** What libpq would know after reading connection string, service file, environment and password file. */
export interface ConnectionSettings {
  /** At least one; tried in this order. */
  readonly hosts: readonly Host[];
  readonly user: string;
  readonly database: string;
  readonly sslMode: SslMode;
  readonly sslRootCert: string | undefined;
  readonly sslCert: string | undefined;
  readonly sslKey: string | undefined;
  /** Extra server options (`-c work_mem=64MB`). */
  readonly options: string | undefined;
  /** Seconds for each host; libpq's `connect_timeout`. */
  readonly connectTimeout: number;
  readonly targetSessionAttrs: (typeof SESSION_ATTRIBUTES)[number];
}

/**
 * Reads a connection string (a URL, `keyword=value` pairs, or nothing at all) and completes it the way libpq does:
 * from the service it names, the environment, the password file and the defaults. Passwords that it learns are made
 * known to `runtime.secrets`. Fails with `usage` for what it cannot read; the error never holds a password.
 */
export async function resolveConnection(
  runtime: Runtime,
  source: string,
  signal: AbortSignal,
): Promise<ConnectionSettings> {
  const given = parse(source);
  // Already now, so that no error below can show it.
  runtime.secrets.add(given["password"]);
  const fromEnvironment = readEnvironment(runtime);
  const service = filled(given["service"] ?? fromEnvironment.service);
  const fromService =
    service === undefined
      ? {}
      : await readService(runtime, service, given["servicefile"] ?? fromEnvironment.servicefile, signal);
  const all: Partial<Record<UsedParameter, string>> = { ...fromEnvironment, ...fromService, ...given };
  runtime.secrets.add(all.password);

  const user = filled(all.user) ?? operatingSystemUser();
  const database = filled(all.dbname) ?? user;
  const sslMode = readSslMode(all);
  const addresses = await readAddresses(all, sslMode === "verify-full");
  return {
    hosts: await addPasswords(runtime, addresses, { user, database }, all),
    user,
    database,
    sslMode,
    sslRootCert: filled(all.sslrootcert) ?? (await ownFile(runtime, "root.crt")),
    sslCert: filled(all.sslcert) ?? (await ownFile(runtime, "postgresql.crt")),
    sslKey: filled(all.sslkey) ?? (await ownFile(runtime, "postgresql.key")),
    options: filled(all.options),
    connectTimeout: readTimeout(filled(all.connect_timeout)),
    targetSessionAttrs: oneOf(
      "target_session_attrs",
      SESSION_ATTRIBUTES,
      filled(all.target_session_attrs) ?? "any",
    ),
  };
}

/** The same server and user, another database. */
export function withDatabase(settings: ConnectionSettings, database: string): ConnectionSettings {
  return { ...settings, database };
}

/** The same settings with exactly one host, whatever role the server has now. */
export function pinnedTo(settings: ConnectionSettings, host: Host): ConnectionSettings {
  return { ...settings, hosts: [host], targetSessionAttrs: "any" };
}

/** `user@host:port/database` for messages; several hosts are joined by commas. No secret. */
export function describeConnection(settings: ConnectionSettings): string {
  return `${settings.user}@${settings.hosts.map(describeHost).join(",")}/${settings.database}`;
}

/** `host:port` for messages. */
export function describeHost(host: Host): string {
  return host.host.includes(":") ? `[${host.host}]:${host.port}` : `${host.host}:${host.port}`;
}

/**
 * The environment for `pg_dump` and its siblings: ours without any `PG…` variable, plus the settings. Secrets travel
 * here because every user of the machine can read arguments. Pin the settings first: libpq takes one password only.
 */
export function toolEnvironment(runtime: Runtime, settings: ConnectionSettings): Record<string, string> {
  const inherited = Object.entries(runtime.env).filter(
    (entry): entry is [string, string] => entry[1] !== undefined && !entry[0].startsWith("PG"),
  );
  const optional = Object.entries({
    PGPASSWORD: settings.hosts.find((host) => host.password !== undefined)?.password,
    PGSSLROOTCERT: settings.sslRootCert,
    PGSSLCERT: settings.sslCert,
    PGSSLKEY: settings.sslKey,
    PGOPTIONS: settings.options,
  }).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return {
    ...Object.fromEntries(inherited),
    PGHOST: settings.hosts.map((host) => host.host).join(","),
    PGPORT: settings.hosts.map((host) => host.port).join(","),
    PGUSER: settings.user,
    PGDATABASE: settings.database,
    PGSSLMODE: settings.sslMode,
    // Our own sessions never use it, and a stray Kerberos ticket must not make the tools behave differently.
    PGGSSENCMODE: "disable",
    PGCONNECT_TIMEOUT: String(settings.connectTimeout),
    PGTARGETSESSIONATTRS: settings.targetSessionAttrs,
    PGAPPNAME: "handled",
    ...Object.fromEntries(optional),
    // What the tools print is read by us: it must not follow the user's language.
    LC_ALL: "C",
    LANGUAGE: "C",
  };
}

function parse(source: string): Parameters {
  const text = source.trim();
  if (isConnectionUri(text)) return parseConnectionUri(text);
  if (text === "" || (text.includes("=") && !/^[\w+.-]+:/.test(text))) return parseConnectionKeywords(text);
  throw new AppError(
    "usage",
    "read the connection string: neither a PostgreSQL URL nor keyword=value pairs",
    {
      hint: "write `postgresql://user@host:5432/database`, `host=… dbname=…` or `service=…`",
    },
  );
}

function readEnvironment(runtime: Runtime): Partial<Record<UsedParameter, string>> {
  const found: Partial<Record<UsedParameter, string>> = {};
  for (const [name, variable] of Object.entries(USED_PARAMETERS) as [UsedParameter, string][]) {
    const value = runtime.env[variable];
    if (value !== undefined) found[name] = value;
  }
  return found;
}

async function addPasswords(
  runtime: Runtime,
  addresses: readonly Address[],
  login: { user: string; database: string },
  all: Partial<Record<UsedParameter, string>>,
): Promise<Host[]> {
  const given = filled(all.password);
  if (given !== undefined) return addresses.map(({ host, port }) => ({ host, port, password: given }));
  const entries = await readPassFile(runtime, filled(all.passfile) ?? join(homeFolder(runtime), ".pgpass"));
  return addresses.map(({ host, port, passName }) => {
    const password = findPassword(entries, { host: passName, port: String(port), ...login });
    runtime.secrets.add(password);
    return { host, port, password };
  });
}

/** An empty value counts as not given, like in libpq. */
function filled(value: string | undefined): string | undefined {
  return value === "" ? undefined : value;
}

function oneOf<T extends string>(name: string, allowed: readonly T[], value: string): T {
  const found = allowed.find((candidate) => candidate === value);
  if (found !== undefined) return found;
  throw new AppError("usage", `read the connection settings: ${name} has an unknown value`, {
    hint: `use one of ${allowed.join(", ")}`,
  });
}

/** Like libpq: the system's authorities sign for everybody, so trusting them without looking at the name is refused. */
function readSslMode(all: Partial<Record<UsedParameter, string>>): SslMode {
  const mode = filled(all.sslmode);
  if (all.sslrootcert !== "system") return oneOf("sslmode", SSL_MODES, mode ?? "prefer");
  if (mode === undefined || mode === "verify-full") return "verify-full";
  throw new AppError("usage", "read the connection settings: sslrootcert=system needs sslmode verify-full", {
    hint: "leave sslmode out, or name the authority's certificate file with sslrootcert",
  });
}

function readTimeout(value: string | undefined): number {
  if (value === undefined) return CONNECT_TIMEOUT_SECONDS;
  if (/^\s*-?\d{1,9}\s*$/.test(value)) return Math.max(0, Number(value));
  throw new AppError("usage", "read the connection settings: connect_timeout is not a number of seconds");
}

function operatingSystemUser(): string {
  try {
    return userInfo().username;
  } catch (cause) {
    throw new AppError("usage", "read the connection settings: no user is given and the system names none", {
      cause,
      hint: "write the user into the connection string",
    });
  }
}

/** A file that libpq takes by itself when it is in `~/.postgresql`. */
async function ownFile(runtime: Runtime, name: string): Promise<string | undefined> {
  const path = join(homeFolder(runtime), ".postgresql", name);
  try {
    await access(path);
    return path;
  } catch (error) {
    const code = errorCode(error);
    // Without permission to look, libpq acts as if there were none, and so must we.
    if (code === "ENOENT" || code === "ENOTDIR" || code === "EACCES") return undefined;
    throw error;
  }
}
