import { readdir } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { childNamed, makeArchive } from "../../../test/support/archives.ts";
import { type FreshDatabase, freshCluster, freshDatabase } from "../../../test/support/postgres.ts";
import { noAbort, testRuntime } from "../../../test/support/runtime.ts";
import { temporaryFolder } from "../../../test/support/temporary-folder.ts";
import { AppError } from "../../errors.ts";
import { type Progress, type Runtime, silentReporter } from "../../lib/runtime.ts";
import { connect } from "../../postgres/session.ts";
import { openFilesystem } from "../../storage/filesystem.ts";
import { dumpArguments, literalPattern } from "./dump.ts";

let source: FreshDatabase;

beforeAll(async () => {
  source = await freshDatabase({
    // Does not compress, so that much of it has been written when something happens.
    sql: `create table big as select n, string_agg(md5(n::text || m::text), '') as noise
      from generate_series(1, 4000) n, generate_series(1, 60) m group by n;`,
  });
});
afterAll(async () => {
  await source[Symbol.asyncDispose]();
});

const kinds = [
  { format: "plain", compression: "gzip" },
  { format: "plain", compression: "zstd" },
  { format: "custom", compression: "gzip" },
] as const;

describe.each(kinds)("$format $compression", (kind) => {
  test("a full disk is told as a full disk, not as a child that was stopped", async () => {
    let written = 0;
    const write = async (chunk: Uint8Array): Promise<void> => {
      written += chunk.length;
      if (written > 500_000) throw new AppError("space_missing", "write: no space left");
    };
    await expect(makeArchive(source.settings, { ...kind, staged: { write } })).rejects.toMatchObject({
      code: "space_missing",
    });
  });

  const children = kind.compression === "zstd" ? ["pg_dump", "zstd"] : ["pg_dump"];
  test.each(children)(
    "%s killed in the middle fails the dump, and the staged object goes away",
    async (tool) => {
      await using folder = await temporaryFolder();
      const storage = openFilesystem(testRuntime(), folder.path);
      const dump = async (): Promise<void> => {
        await using staged = await storage.stage("data/archive", noAbort());
        await makeArchive(source.settings, { ...kind, staged }, killingAtFirstTable(tool));
        await staged.publish();
      };
      await expect(dump()).rejects.toMatchObject({
        code: "tool_failed",
        details: { tool, signal: "SIGKILL" },
      });
      expect(await readdir(folder.path, { recursive: true })).toEqual(["data"]);
    },
  );

  test("an abort ends everything with its reason", async () => {
    const controller = new AbortController();
    const reason = new Error("enough");
    const write = async (): Promise<void> => controller.abort(reason);
    const dump = makeArchive(
      source.settings,
      { ...kind, staged: { write } },
      testRuntime(),
      controller.signal,
    );
    await expect(dump).rejects.toBe(reason);
  });
});

test("a missing zstd program is named", async () => {
  const runtime = testRuntime({ env: { PATH: "/nowhere" } });
  const dump = makeArchive(source.settings, { format: "plain", compression: "zstd" }, runtime);
  await expect(dump).rejects.toMatchObject({
    code: "client_missing",
    message: expect.stringContaining("zstd") as string,
  });
});

test("a server that goes away is told as such", async () => {
  await using cluster = await freshCluster();
  await using database = await freshDatabase({
    cluster: cluster.url(),
    sql: "create table t as select repeat(md5(n::text), 40) from generate_series(1, 20000) n",
  });
  let stopped = false;
  const write = async (): Promise<void> => {
    if (stopped) return;
    stopped = true;
    await cluster.stop("immediate");
  };
  const dump = makeArchive(database.settings, { format: "plain", compression: "gzip", staged: { write } });
  await expect(dump).rejects.toMatchObject({ code: "database_unreachable", exitCode: 20 });
  await cluster.start();
});

test("a lock that is held too long fails the dump", async () => {
  await using holder = await connect(testRuntime(), source.settings, noAbort());
  await holder.query("begin");
  await holder.query("lock table public.big in access exclusive mode");
  const started = performance.now();
  const dump = makeArchive(source.settings, { format: "plain", compression: "gzip", lockTimeoutMs: 100 });
  await expect(dump).rejects.toMatchObject({ code: "tool_failed" });
  expect(performance.now() - started).toBeLessThan(10_000);
});

test("the text of an error has what pg_dump complained of, not how far it had come", async () => {
  const dump = makeArchive(source.settings, {
    format: "plain",
    compression: "gzip",
    snapshot: "00000000-00000000-1",
  });
  const error = await dump.catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ details: { stderr: expect.stringContaining("pg_dump: error:") as string } });
  expect(String((error as AppError).details["stderr"])).not.toContain("reading");
});

test("secrets are no arguments, and the password goes by the environment", () => {
  const args = dumpArguments({
    settings: source.settings,
    snapshot: "s",
    encoding: "UTF8",
    schemas: ['a"b'],
    extensions: ["x.y"],
    format: "custom",
    compression: "zstd",
    lockTimeoutMs: 10,
  });
  expect(args).toContain('--schema="a""b"');
  expect(args).toContain('--extension="x.y"');
  expect(args).toContain("--compress=zstd:3");
  expect(args.join(" ")).not.toMatch(/password=|dbname|host/);
  expect(literalPattern("a*b")).toBe('"a*b"');
});

/** Kills our child when it begins with a table: while we look for it, it waits for us to read on. */
function killingAtFirstTable(tool: string): Runtime {
  let killed = false;
  const progress = ({ table }: Progress): void => {
    if (table === undefined || killed) return;
    killed = true;
    process.kill(childNamed(tool), "SIGKILL");
  };
  return testRuntime({ reporter: { ...silentReporter, progress } });
}
