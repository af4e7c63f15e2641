import { join } from "node:path";
import { expect, test } from "vitest";
import { noAbort, testRuntime } from "../../test/support/runtime.ts";
import { temporaryFolder } from "../../test/support/temporary-folder.ts";
import type { DaemonEvent } from "../daemon/daemon.ts";
import { startHttpServer } from "../daemon/http-server.ts";
import type { Runtime } from "../lib/runtime.ts";
import type { Cli } from "./cli.ts";
import { DaemonLooks } from "./daemon-looks.ts";
import { openJobs } from "./jobs-world.ts";
import { ServeApi } from "./serve-api.ts";

test("what cannot be loaded is told, and loaded when somebody asks again", async () => {
  await using folder = await temporaryFolder();
  const runtime = testRuntime({ env: { XDG_STATE_HOME: folder.path } });
  const nothing = (): void => undefined;
  let isBroken = false;
  const cli = {
    signal: noAbort(),
    cwd: folder.path,
    node: process.execPath,
    script: "main.ts",
    get runtime(): Runtime {
      if (isBroken) throw new Error("too many open files");
      return runtime;
    },
  } as Partial<Cli> as Cli;
  const strategy = join(folder.path, "handled.yaml");
  const told: DaemonEvent[] = [];
  await using jobs = await openJobs(cli, strategy, nothing, nothing);
  await using served = await ServeApi.open(
    cli,
    strategy,
    jobs,
    new DaemonLooks(runtime.clock),
    () => ({ url: undefined, oidc: undefined }),
    (event) => void told.push(event),
  );
  await using server = await startHttpServer({ host: "127.0.0.1", port: 0 }, {}, nothing, served);
  const ask = async (path: string): Promise<number> => (await fetch(`${server.url}${path}`)).status;
  isBroken = true;
  expect([await ask("/api/databases"), await ask("/")]).toEqual([500, 500]);
  const failure = { kind: "not answered", error: { message: "answer a browser: too many open files" } };
  expect(told).toMatchObject([failure, failure]);
  isBroken = false;
  expect(await ask("/api/databases")).toBe(401);
  expect(await ask("/")).not.toBe(500);
  expect(told).toHaveLength(2);
});
