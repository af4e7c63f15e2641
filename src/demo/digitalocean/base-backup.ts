import { randomUUID } from "node:crypto";
import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { AppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { findInstallations, majorOf } from "../../postgres/clients.ts";
import type { Place } from "../../postgres/cluster-control.ts";
import { runServerTool, writeOwned } from "../../postgres/cluster-control.ts";
import type { Cluster } from "../../postgres/cluster.ts";
import { asSuperuser, type ClusterFolders, type Service, SUPERUSER } from "./managed-server.ts";
import { wholeSecond } from "./service-time.ts";

/** A base backup of a whole server. The write-ahead log that leads on from it is archived beside it. */
export interface BaseBackup {
  readonly folder: string;
  /** What it is known by: the service's time, to the second; no other backup of the cluster has it. */
  readonly createdAt: Date;
  /** When, by the machine's time, it was complete: it leads to no earlier moment. */
  readonly completeAt: Date;
  readonly bytes: number;
}

/** The folder of `pg_basebackup` of a major version; it need not be that of the server's programs. */
export async function findBackupProgram(
  runtime: Runtime,
  major: number,
  signal: AbortSignal,
): Promise<string> {
  const found = (await findInstallations(runtime, PROGRAM, signal)).findLast(
    ({ version }) => majorOf(version) === major,
  );
  if (found !== undefined) return found.folder;
  throw new AppError("client_missing", `find ${PROGRAM} of PostgreSQL ${major}: it is not installed`, {
    hint: `\`apt-get install postgresql-client-${major}\``,
  });
}

const PROGRAM = "pg_basebackup";

/** Takes one with `pg_basebackup`, and with it the log that was written meanwhile, without which it is of no use. */
export async function takeBaseBackup(
  service: Service,
  place: Place,
  { server, folders, others }: { server: Cluster; folders: ClusterFolders; others: readonly BaseBackup[] },
  signal: AbortSignal,
): Promise<BaseBackup> {
  const folder = join(folders.backups, randomUUID());
  const passFile = `${folder}.pass`;
  // A file, because arguments can be read by every user of the machine.
  await writeOwned(place, passFile, `*:*:*:${SUPERUSER}:${service.password}\n`);
  try {
    const conninfo = `host=127.0.0.1 port=${server.port} user=${SUPERUSER} passfile='${passFile}'`;
    const args = ["--pgdata", folder, "--dbname", conninfo, "--checkpoint=fast", "--no-sync"];
    await runServerTool(place, PROGRAM, [...args, "--wal-method=fetch", "--no-manifest"], signal);
    // The server's own clock, which stamps the log.
    const [row] = await asSuperuser(service, server, "postgres", signal, (session) =>
      session.query<{ now: number }>(
        "select extract(epoch from pg_catalog.clock_timestamp())::pg_catalog.float8 * 1000 as now",
      ),
    );
    const completeAt = new Date(row?.now ?? service.runtime.clock.now());
    const bytes = await folderBytes(folder);
    // Backups are told apart by the second: time goes on to the next one rather than that somebody waits for it.
    const last = others.at(-1);
    if (last !== undefined) service.time.skipTo(new Date(last.createdAt.getTime() + 1000));
    return { folder, createdAt: wholeSecond(service.time.now()), completeAt, bytes };
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  } finally {
    await rm(passFile, { force: true });
  }
}

async function folderBytes(folder: string): Promise<number> {
  // The log comes in files of one size, however little is in them.
  const files = (await readdir(folder, { recursive: true, withFileTypes: true })).filter(
    (one) => one.isFile() && !one.parentPath.endsWith("/pg_wal"),
  );
  const sizes = await Promise.all(
    files.map(async (one) => (await stat(join(one.parentPath, one.name))).size),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}
