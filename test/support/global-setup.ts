import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { errorCode } from "../../src/errors.ts";
import { makeRuntime } from "../../src/lib/runtime.ts";
import { startCluster, stopStaleCluster } from "../../src/postgres/cluster.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** Superuser's URL of the run's shared cluster. */
    clusterUrl: string;
  }
}

const PREFIX = "handled-test-cluster-";

/**
 * One cluster for the whole run; each test has databases of its own in it. It is the newest that is installed, or the
 * major version that HANDLED_TEST_POSTGRES asks for: then the run fails rather than test another one.
 */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const runtime = makeRuntime({ env: { PATH: process.env["PATH"] } });
  const signal = new AbortController().signal;
  for (const name of await readdir(tmpdir())) {
    const owner = new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1];
    if (owner === undefined || isRunning(Number(owner))) continue;
    // What a killed run left.
    await stopStaleCluster(runtime, join(tmpdir(), name), signal);
    await rm(join(tmpdir(), name), { recursive: true, force: true });
  }
  const folder = await mkdtemp(join(tmpdir(), `${PREFIX}${process.pid}-`));
  const settings = {
    max_connections: "200",
    shared_buffers: "32MB",
    max_wal_size: "256MB",
    autovacuum: "off",
    log_min_messages: "fatal",
  };
  const asked = process.env["HANDLED_TEST_POSTGRES"];
  const major = asked === undefined ? {} : { major: Number(asked) };
  const cluster = await startCluster(runtime, { folder, fast: true, settings, ...major }, signal);
  project.provide("clusterUrl", cluster.url());
  return async () => await cluster[Symbol.asyncDispose]();
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) !== "ESRCH";
  }
}
