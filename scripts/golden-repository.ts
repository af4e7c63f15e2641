import { cp, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { connect } from "../src/postgres/session.ts";
import { resolveConnection } from "../src/postgres/connection.ts";
import { runForText } from "../src/lib/process.ts";
import { makeRuntime } from "../src/lib/runtime.ts";
import { makeServerFolder, removeServerFolder } from "../src/operations/server-folder.ts";
import { startCluster } from "../src/postgres/cluster.ts";

/**
 * Makes `test/fixtures/golden-repository/repository` anew: an archive, a snapshot, and a snapshot that reuses some of it.
 * To be run once for each version of the repository's format, and never to make a test pass: what older versions wrote
 * must stay readable.
 */
const FIXTURE = join(import.meta.dirname, "../test/fixtures/golden-repository");
const MAIN = join(import.meta.dirname, "../src/cli/main.ts");

const runtime = makeRuntime({ env: process.env });
const { signal } = new AbortController();
const folder = await makeServerFolder(runtime, "demo", signal);
try {
  await using cluster = await startCluster(runtime, { folder: join(folder, "cluster"), fast: true }, signal);
  const psql = async (name: string): Promise<void> => {
    await using session = await connect(
      runtime,
      await resolveConnection(runtime, cluster.url(), signal),
      signal,
    );
    await session.query("set search_path = public");
    const text = await readFile(join(FIXTURE, name), "utf8");
    for (const statement of text.split(/;\n/)) if (statement.trim() !== "") await session.query(statement);
  };
  const backUp = async (...args: string[]): Promise<void> => {
    const place = ["--url", cluster.url(), "--repository", join(folder, "repository")];
    const all = [MAIN, "backup", "golden", ...place, ...args];
    await runForText(runtime, { program: process.execPath, args: all, env: process.env }, signal);
  };
  await psql("source.sql");
  await backUp("--compression", "gzip");
  await backUp("--kind", "snapshot");
  await psql("change.sql");
  await backUp("--kind", "snapshot");
  await rm(join(FIXTURE, "repository"), { recursive: true, force: true });
  await cp(join(folder, "repository"), join(FIXTURE, "repository"), {
    recursive: true,
    verbatimSymlinks: true,
  });
} finally {
  await removeServerFolder(runtime, folder, signal);
}
