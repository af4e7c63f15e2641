import { join } from "node:path";
import { AppError, errorCode, isAppError } from "../../errors.ts";
import { readdir, readFile } from "node:fs/promises";
import { runForText } from "../../lib/process.ts";
import { dataFolder, isServing, type Place, writeOwned } from "../../postgres/cluster-control.ts";
import type { Cluster, ClusterOptions } from "../../postgres/cluster.ts";
import type { BaseBackup } from "./base-backup.ts";
import { asSuperuser, type ClusterFolders, type Service, startManagedServer } from "./managed-server.ts";

/** What to make a server from: a base backup, and how far to replay the log after it. */
export interface ReplaySource {
  readonly backup: BaseBackup;
  /** Of the original. */
  readonly from: ClusterFolders;
  /** The machine's time of the last commit that is wanted; undefined: just the backup. */
  readonly until: Date | undefined;
  /** Whether the log is known to reach beyond the moment; where it does not, all of it is replayed. */
  readonly reaches: boolean;
}

/** Makes a new server out of a base backup and the log, replayed up to the moment, and returns when it takes writes. */
export async function startFromBackup(
  service: Service,
  folders: ClusterFolders,
  source: ReplaySource,
  { major, allowed }: { major: number; allowed: readonly string[] },
  signal: AbortSignal,
): Promise<Cluster> {
  const start = async (target: Readonly<Record<string, string>>): Promise<Cluster> => {
    const more: Partial<ClusterOptions> = {
      fill: async (place) => {
        await copyAll(place, source.backup.folder, dataFolder(place.folder), signal);
        await writeOwned(place, join(dataFolder(place.folder), "recovery.signal"), "");
      },
      settings: {
        restore_command: restoreCommand(source.from),
        recovery_target_action: "promote",
        recovery_target_timeline: "latest",
        // It takes no connections before it has been promoted.
        hot_standby: "off",
        ...target,
      },
    };
    const server = await startManagedServer(service, folders, { major, allowed, more }, signal);
    try {
      await untilReady(service, server, signal);
      return server;
    } catch (error) {
      await server[Symbol.asyncDispose]();
      throw error;
    }
  };
  if (source.until === undefined) return await start({ recovery_target: "immediate" });
  try {
    return await start({ recovery_target_time: postgresTime(source.until) });
  } catch (error) {
    if (source.reaches || !isAppError(error, "tool_failed")) throw error;
    // The original is gone, and what it wrote last was not archived: PostgreSQL refuses a moment after the end of the log.
    return await start({});
  }
}

/** `Z` is an abbreviation of a time zone, which PostgreSQL does not know yet when it reads its settings. */
function postgresTime(moment: Date): string {
  return moment.toISOString().replace("Z", "+00");
}

/**
 * Waits until a server that replays its log takes connections and writes. Where hot_standby is off, as it is on servers made from a
 * base backup, `pg_ctl start` is content once the replay has begun; the last line of postmaster.pid is `ready` only after it (`pmstatus` in
 * src/include/utils/pidfile.h). Fails with `tool_failed` and the end of the log when the server ends.
 */
export async function untilReady(service: Service, server: Cluster, signal: AbortSignal): Promise<void> {
  for (;;) {
    const [, , , , , , , state] = (await pidFile(server.folder)).split("\n");
    if (state?.trim() === "ready") return;
    if (!(await isServing(server.folder))) {
      const lines = (await readFile(join(server.folder, "log"), "utf8")).trim().split("\n").slice(-3);
      throw new AppError("tool_failed", `replay the log of a server: it ended: ${lines.join("; ")}`);
    }
    await service.runtime.clock.wait(POLL_MS, signal);
  }
}

/** Empty when there is none, which means that the server ended. */
async function pidFile(folder: string): Promise<string> {
  try {
    return await readFile(join(dataFolder(folder), "postmaster.pid"), "utf8");
  } catch (error) {
    if (errorCode(error) === "ENOENT") return "";
    throw error;
  }
}

/** From the archive, or else from the disk of a server that stopped before it had archived all. */
function restoreCommand({ wal, server }: ClusterFolders): string {
  return `cp "${wal}/%f" "%p" || cp "${join(dataFolder(server), "pg_wal")}/%f" "%p"`;
}

/**
 * Sees to it that all that a running server has committed so far is archived, and something after it, by which a replay knows that
 * it has gone far enough.
 */
export async function archiveAll(
  service: Service,
  server: Cluster,
  wal: string,
  signal: AbortSignal,
): Promise<void> {
  const [row] = await asSuperuser(service, server, "postgres", signal, async (session) => {
    // A transaction with a number leaves a commit record, though it writes nothing.
    await session.query("select pg_catalog.pg_current_xact_id()");
    return await session.query<{ file: string }>(
      "select pg_catalog.pg_walfile_name(pg_catalog.pg_switch_wal()) as file",
    );
  });
  while (row !== undefined && !(await readdir(wal)).includes(row.file)) {
    await service.runtime.clock.wait(POLL_MS, signal);
  }
}

const POLL_MS = 20;

/** As the server's user, whose files they stay. */
async function copyAll(place: Place, from: string, to: string, signal: AbortSignal): Promise<void> {
  const { PATH } = place.runtime.env;
  const call = { program: "cp", args: ["-Rp", from, to], env: { PATH }, cwd: place.folder };
  await runForText(
    place.runtime,
    { ...call, ...(place.user === undefined ? {} : { user: place.user }) },
    signal,
  );
}
