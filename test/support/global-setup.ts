import { readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { TestProject } from "vitest/node";
import { errorCode } from "../../src/errors.ts";
import { makeRuntime, type Runtime } from "../../src/lib/runtime.ts";
import { type Cluster, startCluster, stopStaleCluster } from "../../src/postgres/cluster.ts";
import { buildPrograms, PROGRAMS_PREFIX } from "./build-programs.ts";
import { cephOnDemand } from "./ceph-on-demand.ts";
import { onDemand } from "./on-demand.ts";
import { buildWeb } from "../../scripts/build-web.ts";
import { CLUSTER_PREFIX, clusterFolder } from "./cluster-folder.ts";
import { makeEmptyDatabase } from "./empty-database.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** Superuser's URL of the run's shared cluster. */
    clusterUrl: string;
    /** Answers with the run's shared object store, and starts it first. */
    objectStore: string;
    /** Folder of what was built for the run. */
    programs: string;
    /** Builds the dashboard beside those programs, and answers with its folder. */
    dashboard: string;
  }
}

const LEFT = new RegExp(`^(${CLUSTER_PREFIX}|${PROGRAMS_PREFIX})(\\d+)-`);

/**
 * What a run shares: a cluster, programs that are built once, an object store. A project of the run that asks for a setup of its
 * own has a cluster of its own, and the rest from the run.
 */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  if (!project.isRootProject()) {
    const own = await startSharedCluster(project);
    return async () => await own[Symbol.asyncDispose]();
  }
  const runtime = makeRuntime({ env: { PATH: process.env["PATH"] } });
  await removeStale(runtime, tmpdir(), new AbortController().signal);
  const cluster = await startSharedCluster(project);
  const programs = await buildPrograms();
  project.provide("programs", programs.folder);
  process.env["HANDLED_TEST_PROGRAM"] = pathToFileURL(join(programs.folder, "main.js")).href;
  const dashboard = await onDemand(async () => {
    const made = join(programs.folder, "web");
    await buildWeb(made);
    return { made, [Symbol.asyncDispose]: () => Promise.resolve() };
  });
  project.provide("dashboard", dashboard.url);
  const store = await cephOnDemand();
  project.provide("objectStore", store.url);
  return async () => {
    await store[Symbol.asyncDispose]();
    await dashboard[Symbol.asyncDispose]();
    await programs[Symbol.asyncDispose]();
    await cluster[Symbol.asyncDispose]();
  };
}

/**
 * One cluster for all tests of a project; each has databases of its own in it. It is the newest that is installed, or the
 * major version that HANDLED_TEST_POSTGRES asks for: then the run fails rather than test another one.
 */
async function startSharedCluster(project: TestProject): Promise<Cluster> {
  const env = { ...process.env, ...project.config.env };
  const asked = env["HANDLED_TEST_POSTGRES"];
  const settings = {
    max_connections: "200",
    shared_buffers: "32MB",
    max_wal_size: "256MB",
    autovacuum: "off",
    log_min_messages: "fatal",
  };
  const major = asked === undefined ? {} : { major: Number(asked) };
  const options = { folder: await clusterFolder(), fast: true, settings, ...major };
  const runtime = makeRuntime({ env: { PATH: env["PATH"] } });
  const cluster = await startCluster(runtime, options, new AbortController().signal);
  await makeEmptyDatabase(cluster.url());
  project.provide("clusterUrl", cluster.url());
  return cluster;
}

/** Removes what killed runs left. */
async function removeStale(runtime: Runtime, home: string, signal: AbortSignal): Promise<void> {
  for (const name of await readdir(home)) {
    const [, prefix, owner] = LEFT.exec(name) ?? [];
    if (owner === undefined || isRunning(Number(owner))) continue;
    if (prefix === CLUSTER_PREFIX) await stopStaleCluster(runtime, join(home, name), signal);
    await rm(join(home, name), { recursive: true, force: true });
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) !== "ESRCH";
  }
}
