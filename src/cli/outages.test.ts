import { join } from "node:path";
import { expect, test } from "vitest";
import { noAbort, testRuntime } from "../../test/support/runtime.ts";
import { parse } from "../../test/support/strategy.ts";
import { temporaryFolder } from "../../test/support/temporary-folder.ts";
import { openOrCreateRepository } from "../repository/repository.ts";
import { openStorage } from "../storage/open.ts";
import type { Cli } from "./cli.ts";
import { outagesOf } from "./outages.ts";

test("a place that databases share is asked once, and each server", async () => {
  await using folder = await temporaryFolder();
  const database =
    "{ url: 'postgresql://127.0.0.1:1/x', repositories: [one, other], backups: [{ name: nightly }] }";
  const strategy = parse(`version: 1
repositories: { one: { url: ${join(folder.path, "one")} }, other: { url: ${join(folder.path, "other")} } }
databases: { a: ${database}, b: ${database}, c: ${database} }
`);
  let opened = 0;
  const runtime = testRuntime({
    observer: (phase, operation) => {
      if (phase === "before" && operation === "storage get repository.json") opened += 1;
    },
  });
  await openOrCreateRepository(
    testRuntime(),
    openStorage(testRuntime(), join(folder.path, "one")),
    noAbort(),
  );
  const cli = { runtime, signal: noAbort(), cwd: folder.path } as Partial<Cli> as Cli;
  expect(await outagesOf(cli, strategy, noAbort())).toEqual([
    "a: database_unreachable",
    "b: database_unreachable",
    "c: database_unreachable",
    "place other: repository_missing",
  ]);
  expect(opened).toBe(2);
});
