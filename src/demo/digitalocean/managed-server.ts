import { chown, mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Runtime } from "../../lib/runtime.ts";
import { dataFolder, type Place } from "../../postgres/cluster-control.ts";
import { type Cluster, type ClusterOptions, startCluster } from "../../postgres/cluster.ts";
import { resolveConnection } from "../../postgres/connection.ts";
import { connect, type Session } from "../../postgres/session.ts";
import type { ServiceTime } from "./service-time.ts";

/** Certificates, as PEM, for servers that speak TLS. */
export interface ServerTls {
  readonly authority: string;
  readonly certificate: string;
  readonly key: string;
}

/** What all clusters of one emulated service share. */
export interface Service {
  readonly runtime: Runtime;
  /** Of `makeServerFolder`: each server's folder lies directly in it, where those of a killed process are found. */
  readonly folder: string;
  readonly time: ServiceTime;
  /** Of the service's own superuser, whom customers cannot become. */
  readonly password: string;
  readonly tls: ServerTls | undefined;
  /** Whether servers let in only those whom the trusted sources name. */
  readonly enforceFirewall: boolean;
  /** More lines of postgresql.conf. */
  readonly settings: Readonly<Record<string, string>>;
}

export const SUPERUSER = "postgres";
const LOCAL = "127.0.0.1/32";

/** Where a cluster's server, base backups and write-ahead log lie. */
export interface ClusterFolders {
  readonly server: string;
  readonly backups: string;
  readonly wal: string;
}

export function clusterFolders(service: Service, number: number): ClusterFolders {
  const kept = join(service.folder, `c${number}-kept`);
  return {
    server: join(service.folder, `c${number}`),
    backups: join(kept, "backups"),
    wal: join(kept, "wal"),
  };
}

/** Makes the folders that outlive the server's. */
export async function makeClusterFolders(folders: ClusterFolders, user: Place["user"]): Promise<void> {
  for (const folder of [dirname(folders.wal), folders.backups, folders.wal]) {
    await mkdir(folder, { mode: 0o700 });
    if (user !== undefined) await chown(folder, user.uid, user.gid);
  }
}

/** A new server that archives its write-ahead log; `more` may fill it from a base backup and make it recover. */
export async function startManagedServer(
  service: Service,
  folders: ClusterFolders,
  {
    major,
    allowed,
    more = {},
  }: { major: number; allowed: readonly string[]; more?: Partial<ClusterOptions> },
  signal: AbortSignal,
): Promise<Cluster> {
  const archived = `"${folders.wal}/%f"`;
  const { tls } = service;
  return await startCluster(
    service.runtime,
    {
      folder: folders.server,
      major,
      superuser: SUPERUSER,
      password: service.password,
      fast: true,
      hba: accessLines(service, allowed),
      ...more,
      ...(tls === undefined ? {} : { files: { "server.crt": tls.certificate, "server.key": tls.key } }),
      settings: {
        shared_buffers: "16MB",
        min_wal_size: "32MB",
        // What is committed survives the server's death, though not the machine's.
        synchronous_commit: "on",
        full_page_writes: "on",
        archive_mode: "on",
        // Under its name only once it is whole: a restore may be waiting for it.
        archive_command: `test -e ${archived} || { cp "%p" "${folders.wal}/%f.part" && mv "${folders.wal}/%f.part" ${archived}; }`,
        ssl: tls === undefined ? "off" : "on",
        ...service.settings,
        ...more.settings,
      },
    },
    signal,
  );
}

/**
 * Lines of pg_hba.conf: the service itself, then whoever is allowed.
 * @param allowed IPv4 addresses of the trusted sources; none means everybody
 */
export function accessLines(service: Service, allowed: readonly string[]): string[] {
  const sources = service.enforceFirewall && allowed.length > 0 ? allowed.map((one) => `${one}/32`) : [LOCAL];
  const kind = service.tls === undefined ? "host" : "hostssl";
  return [
    `host all ${SUPERUSER} ${LOCAL} scram-sha-256`,
    `host replication ${SUPERUSER} ${LOCAL} scram-sha-256`,
    ...sources.map((source) => `${kind} all all ${source} scram-sha-256`),
  ];
}

/** Puts other lines into the pg_hba.conf of a server, which reads them when it is told to. */
export async function writeAccess(folder: string, lines: readonly string[]): Promise<void> {
  await writeFile(join(dataFolder(folder), "pg_hba.conf"), `${lines.join("\n")}\n`);
}

/** Runs work on a connection of the service's superuser. */
export async function asSuperuser<T>(
  service: Service,
  server: Cluster,
  database: string,
  signal: AbortSignal,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  const settings = await resolveConnection(service.runtime, server.url(database), signal);
  await using session = await connect(service.runtime, settings, signal);
  return await work(session);
}
