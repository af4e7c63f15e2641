import { existsSync } from "node:fs";
import { cp, mkdir, mkdtemp, readdir, rm, symlink, chmod } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { makeRuntime, type Runtime } from "../../src/lib/runtime.ts";
import { type Cluster, startCluster, stopStaleCluster } from "../../src/postgres/cluster.ts";
import { type Env, run } from "./run.ts";

const PREFIX = "handled-bench-";
const SOURCES = fileURLToPath(new URL("../..", import.meta.url));

/** A folder with the program as it is published, and a server. Disposing ends and removes everything. */
export interface Place extends AsyncDisposable {
  readonly folder: string;
  readonly runtime: Runtime;
  readonly cluster: Cluster;
  /** The built program's first file. */
  readonly program: string;
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
    const program = await buildProgram(join(folder, "program"), signal);
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

/** What people install is compiled; and what is measured does not change while somebody works on the sources. */
async function buildProgram(folder: string, signal: AbortSignal): Promise<string> {
  await mkdir(folder);
  await cp(join(SOURCES, "package.json"), join(folder, "package.json"));
  await cp(join(SOURCES, "bin"), join(folder, "bin"), { recursive: true });
  await symlink(join(SOURCES, "node_modules"), join(folder, "node_modules"));
  const compiler = join(SOURCES, "node_modules/.bin/tsc");
  const args = ["-p", join(SOURCES, "tsconfig.build.json"), "--outDir", join(folder, "dist")];
  await run(compiler, args, { PATH: process.env["PATH"] }, signal);
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
