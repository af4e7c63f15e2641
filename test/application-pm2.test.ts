import { expect, test } from "vitest";
import {
  restartApplication,
  startApplication,
  stopApplication,
  waitUntilHealthy,
} from "../src/operations/application.ts";
import { switchBack, switchVariable } from "../src/recovery/env-file.ts";
import { pm2Api } from "./support/pm2-api.ts";
import { freshDatabase } from "./support/postgres.ts";
import { noAbort, testRuntime } from "./support/runtime.ts";

const SHOP = "create table orders (id int primary key); insert into orders select generate_series(1, ";

test("an API under pm2 works on another server once its `.env` says so, and on the first again after the way back", async () => {
  await using one = await freshDatabase({ sql: `${SHOP}3)` });
  await using other = await freshDatabase({ sql: `${SHOP}5)` });
  await using api = await pm2Api({ SHOP_URL: one.url }, { SHOP_URL: "orders" });
  // Handled's own environment leads to the lost server, under the same name.
  const runtime = testRuntime({ env: { ...api.env, SHOP_URL: one.url } });
  const commands = { ...api.commands, withheld: ["SHOP_URL"] };
  const works = async (app: typeof commands) => {
    await waitUntilHealthy(runtime, app, noAbort());
    return await api.health("SHOP_URL");
  };

  await startApplication(runtime, commands, noAbort());
  expect(await works(commands)).toEqual({ database: one.name, rows: 3 });

  const { kept = "" } = await switchVariable(api.envFile, "SHOP_URL", other.url, "20241211_143022");
  await restartApplication(runtime, commands, noAbort());
  expect(await works(commands)).toEqual({ database: other.name, rows: 5 });

  await switchBack(api.envFile, "SHOP_URL", kept, "20241211_150000");
  // Without a command that restarts; while it is stopped, and while it runs.
  const { restart: _, ...stopAndStart } = commands;
  await stopApplication(runtime, stopAndStart, noAbort());
  await restartApplication(runtime, stopAndStart, noAbort());
  await restartApplication(runtime, stopAndStart, noAbort());
  expect(await works(stopAndStart)).toEqual({ database: one.name, rows: 3 });

  const pm2 = commands.stop?.replace("stop shop-api", "restart no-such-api") ?? "";
  const failed = restartApplication(runtime, { ...commands, restart: pm2 }, noAbort());
  // What pm2 says, without its colours.
  await expect(failed).rejects.toMatchObject({
    code: "application_failed",
    message: expect.stringMatching(/exit code 1: [^\p{Cc}]*no-such-api[^\p{Cc}]*not found/u),
  });

  // A database that is gone: running, but not healthy.
  await switchVariable(api.envFile, "SHOP_URL", "postgresql://127.0.0.1:1/gone", "20241211_160000");
  await restartApplication(runtime, commands, noAbort());
  await expect.poll(async () => (await fetch(commands.health).catch(() => undefined))?.status).toBe(503);
  await expect(
    waitUntilHealthy(runtime, { ...commands, healthTimeoutMs: 1 }, noAbort()),
  ).rejects.toMatchObject({
    code: "application_failed",
    message: expect.stringMatching(/is not healthy: HTTP 503/),
  });
});
