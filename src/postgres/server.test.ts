import { expect, test } from "vitest";
import { freshCluster, runSql } from "../../test/support/postgres.ts";
import { noAbort, testRuntime } from "../../test/support/runtime.ts";
import { resolveConnection } from "./connection.ts";
import { readServerFacts } from "./server.ts";
import { connect } from "./session.ts";

test("a server that takes over is on its new timeline at once, not only after its first checkpoint", async () => {
  await using standby = await freshCluster({ files: { "standby.signal": "" } });
  const runtime = testRuntime();
  const timeline = async (): Promise<number | null> => {
    await using session = await connect(
      runtime,
      await resolveConnection(runtime, standby.url(), noAbort()),
      noAbort(),
    );
    return (await readServerFacts(session)).timeline;
  };
  expect(await timeline()).toBe(1);
  const [checkpointer] = await runSql<{ pid: number }>(
    standby.url(),
    "select pid from pg_stat_activity where backend_type = 'checkpointer'",
  );
  if (checkpointer === undefined) throw new Error("there is no checkpointer");
  process.kill(checkpointer.pid, "SIGSTOP");
  try {
    expect(await runSql(standby.url(), "select pg_promote() as done")).toEqual([{ done: true }]);
    expect(await timeline()).toBe(2);
  } finally {
    process.kill(checkpointer.pid, "SIGCONT");
  }
});
