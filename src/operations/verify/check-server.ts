import { AppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { connectBeside } from "../../postgres/admin.ts";
import { majorOf } from "../../postgres/clients.ts";
import type { ConnectionSettings } from "../../postgres/connection.ts";
import { readProperties } from "../../postgres/properties.ts";
import { dropRoles, ensureRoles } from "../../postgres/roles.ts";
import { readServerFacts } from "../../postgres/server.ts";
import type { Session } from "../../postgres/session.ts";
import type { BackupContent, BackupIndex } from "../../repository/manifest.ts";
import { requireServerSpace } from "../restore/server-space.ts";
import { createTemporaryDatabase, dropAbandoned } from "../restore/temporary-database.ts";
import type { Findings } from "./findings.ts";
import { startThrowAway } from "./throw-away.ts";

/** A server to restore on, for one check. */
export interface CheckServer {
  readonly admin: Session;
  /** Makes an empty database like the one that was backed up; disposing drops it. */
  createDatabase(): Promise<{ readonly settings: ConnectionSettings } & AsyncDisposable>;
}

export interface CheckServerRequest {
  readonly index: BackupIndex;
  readonly content: BackupContent;
  /** Roles that the definitions name. */
  readonly roles: readonly string[];
  /** A server that is there; null: one is made. */
  readonly to: ConnectionSettings | null;
}

/**
 * Gives `work` a server, and leaves nothing of it behind: neither a throw-away server, nor the databases and roles that were
 * made on a given one. Fails before anything is restored when the server lacks space or an extension.
 */
export async function withCheckServer<T>(
  runtime: Runtime,
  request: CheckServerRequest,
  findings: Findings,
  work: (server: CheckServer) => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  const { index, content, to } = request;
  const { totals, server, database } = index;
  const tables = totals.tables;
  await using made =
    to === null
      ? await startThrowAway(runtime, { sourceVersion: server.versionNumber, tables }, signal)
      : undefined;
  await using admin = await adminOf(runtime, to ?? made?.settings, signal);
  const { version, versionNumber } = await readServerFacts(admin);
  findings.server = { version, versionNumber, kind: to === null ? "throw-away" : "given" };
  await dropAbandoned(runtime, admin, signal);
  await requireExtensions(admin, content);
  await requireServerSpace(admin, { stored: totals.serverBytes, copies: 1, copied: null });
  await using _roles = await borrowRoles(runtime, admin, request.roles);
  return await work({
    admin,
    createDatabase: async () => {
      const created = await createTemporaryDatabase(runtime, admin, database, content.database);
      await noteLocale(admin, created.name, content, findings);
      return created;
    },
  });
}

async function adminOf(
  runtime: Runtime,
  settings: ConnectionSettings | undefined,
  signal: AbortSignal,
): Promise<Session> {
  if (settings === undefined) throw new AppError("unexpected", "verify: no server was made");
  return await connectBeside(runtime, settings, [], signal);
}

// Debian packages whose names do not follow from the extension's; `%` is the major version.
const PACKAGES: Readonly<Record<string, string>> = {
  postgis: "postgresql-%-postgis-3",
  postgis_raster: "postgresql-%-postgis-3",
  postgis_topology: "postgresql-%-postgis-3",
  postgis_sfcgal: "postgresql-%-postgis-3",
  vector: "postgresql-%-pgvector",
  pg_cron: "postgresql-%-cron",
  pg_partman: "postgresql-%-partman",
  pg_repack: "postgresql-%-repack",
  plpython3u: "postgresql-plpython3-%",
  plperl: "postgresql-plperl-%",
  plperlu: "postgresql-plperl-%",
  pltcl: "postgresql-pltcl-%",
};

/** Without an extension's files nothing that uses it can be restored; that says nothing about the backup. */
async function requireExtensions(admin: Session, { extensions }: BackupContent): Promise<void> {
  const rows = await admin.query<{ name: string }>("select name from pg_catalog.pg_available_extensions");
  const offered = new Set(rows.map(({ name }) => name));
  const missing = extensions.map(({ name }) => name).filter((name) => !offered.has(name));
  if (missing.length === 0) return;
  const major = majorOf(admin.serverVersion);
  const packages = missing.map((name) =>
    (PACKAGES[name] ?? `postgresql-%-${name.replaceAll("_", "-")}`).replace("%", String(major)),
  );
  throw new AppError(
    "client_missing",
    `restore the backup: the server does not have the extension ${missing.join(", ")}`,
    {
      hint: `on Debian \`apt-get install ${[...new Set(packages)].join(" ")}\`, or \`--to\` a server that has it`,
      details: { missing, major },
    },
  );
}

/** Makes the roles that the backup names; those that were not there go again when it is disposed. */
async function borrowRoles(
  runtime: Runtime,
  admin: Session,
  names: readonly string[],
): Promise<AsyncDisposable> {
  const created = await ensureRoles(admin, names);
  return {
    async [Symbol.asyncDispose]() {
      for (const problem of await dropRoles(runtime, admin.settings, created)) runtime.reporter.warn(problem);
    },
  };
}

/** Rows are the same whatever order they are sorted in, but whoever reads the proof should know. */
async function noteLocale(
  admin: Session,
  name: string,
  content: BackupContent,
  findings: Findings,
): Promise<void> {
  const made = await readProperties(admin, name);
  const wanted = content.database;
  if (
    made === null ||
    (made.encoding === wanted.encoding && made.collate === wanted.collate && made.locale === wanted.locale)
  )
    return;
  if (made.encoding !== wanted.encoding) findings.contentComplete = false;
  const reason = `the server has ${made.encoding}, ${made.locale ?? made.collate} instead of ${wanted.encoding}, ${wanted.locale ?? wanted.collate}`;
  if (findings.notCompared.some((each) => each.reason === reason)) return;
  findings.notCompared.push({ what: "encoding and sorting order", reason });
}
