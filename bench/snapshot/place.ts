import { existsSync } from "node:fs";
import { cp, mkdir, mkdtemp, readdir, rm, chmod } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { makeRuntime, type Runtime } from "../../src/lib/runtime.ts";
import { type Cluster, startCluster, stopStaleCluster } from "../../src/postgres/cluster.ts";
import { buildProgram, type Change } from "../../scripts/build-program.ts";
import type { Env } from "./run.ts";

const PREFIX = "handled-bench-";
const SOURCES = fileURLToPath(new URL("../..", import.meta.url));

/** A folder with the program as it is published, and a server. Disposing ends and removes everything. */
export interface Place extends AsyncDisposable {
  readonly folder: string;
  readonly runtime: Runtime;
  readonly cluster: Cluster;
  /** The built program's first file. */
  readonly program: string;
  /** Builds the same program with something changed; returns its first file. @param name nobody else's in this place */
  variant(name: string, change: Change): Promise<string>;
  /** Of every program that is measured: the server's address, and nobody's habits. */
  readonly env: Env;
}

// A server as people run one: what is durable is durable. The rest keeps its own housekeeping out of the measurements:
// room for what is written between two checkpoints, and no vacuum of its own accord.
const SERVER_SETTINGS = {
  shared_buffers: "512MB",
  max_wal_size: "8GB",
  checkpoint_timeout: "30min",
  autovacuum: "off",
};

export async function makePlace(signal: AbortSignal): Promise<Place> {
  const runtime = makeRuntime({ env: { PATH: process.env["PATH"] } });
  await removeAbandoned(runtime, signal);
  const folder = await mkdtemp(join(tmpdir(), `${PREFIX}${process.pid}-`));
  // The server may run as another user, who must be able to pass through.
  await chmod(folder, 0o711);
  try {
    const program = await install(join(folder, "program"));
    const cluster = await startCluster(
      runtime,
      { folder: join(folder, "server"), settings: SERVER_SETTINGS },
      signal,
    );
    const env = {
      PATH: process.env["PATH"],
      HOME: folder,
      TMPDIR: folder,
      LC_ALL: "C.UTF-8",
      PGHOST: "127.0.0.1",
      PGPORT: String(cluster.port),
      PGUSER: cluster.superuser,
    };
    return {
      folder,
      runtime,
      cluster,
      program,
      variant: (name, change) => install(join(folder, name), change),
      env,
      [Symbol.asyncDispose]: async () => {
        await cluster[Symbol.asyncDispose]();
        await rm(folder, { recursive: true, force: true });
      },
    };
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

/** What people install is built; and what is measured does not change while somebody works on the sources. */
async function install(folder: string, change?: Change): Promise<string> {
  await mkdir(folder);
  await cp(join(SOURCES, "package.json"), join(folder, "package.json"));
  await cp(join(SOURCES, "bin"), join(folder, "bin"), { recursive: true });
  await buildProgram(join(folder, "dist"), change === undefined ? {} : { change });
  return join(folder, "bin/handled.js");
}

/** Removes what killed runs left. */
async function removeAbandoned(runtime: Runtime, signal: AbortSignal): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const pid = new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1];
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue;
    const folder = join(tmpdir(), name);
    await stopStaleCluster(runtime, join(folder, "server"), signal);
    await rm(folder, { recursive: true, force: true });
  }
}
