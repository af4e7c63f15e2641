import { execFileSync } from "node:child_process";
import { rmSync, statfsSync } from "node:fs";
import { chmod } from "node:fs/promises";
import { join } from "node:path";
import { freshCluster, temporaryFolder } from "./postgres.ts";

/** A server whose data is on a disk of its own, which can be filled. */
interface SmallDisk extends AsyncDisposable {
  readonly server: string;
  /** Leaves this many bytes free. */
  fill(leave: number): void;
  empty(): void;
}

/** Of a file system in memory: root alone may mount one. */
export async function smallDisk(megabytes: number): Promise<SmallDisk> {
  const owned = new AsyncDisposableStack();
  try {
    const disk = owned.use(await temporaryFolder()).path;
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${megabytes}m,mode=0755`, "tmpfs", disk]);
    owned.defer(() => void execFileSync("umount", [disk]));
    const settings = {
      wal_level: "minimal",
      max_wal_senders: "0",
      autovacuum: "off",
      shared_buffers: "16MB",
      // Otherwise each checkpoint writes a file, and a server that cannot write that one stops altogether.
      max_replication_slots: "0",
    };
    const cluster = owned.use(await freshCluster({ folder: join(disk, "cluster"), settings }));
    // A server that cannot write its log stops altogether; this is about one that cannot write its data.
    const log = owned.use(await temporaryFolder()).path;
    await chmod(log, 0o755);
    await cluster.stop();
    const inside = join(cluster.folder, "data", "pg_wal");
    execFileSync("cp", ["-a", inside, log]);
    execFileSync("rm", ["-r", inside]);
    execFileSync("ln", ["-s", join(log, "pg_wal"), inside]);
    await cluster.start();
    const filler = join(disk, "filler");
    return {
      server: cluster.url(),
      fill: (leave) => {
        const { bavail, bsize } = statfsSync(disk);
        execFileSync("fallocate", ["--length", String(bavail * bsize - leave), filler]);
      },
      empty: () => rmSync(filler),
      [Symbol.asyncDispose]: async () => await owned.disposeAsync(),
    };
  } catch (error) {
    await owned.disposeAsync();
    throw error;
  }
}
