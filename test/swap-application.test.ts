import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { runCli } from "./support/cli.ts";
import { SWAP, expectRefused, type Shop, smallShop, itemsIn } from "./support/swapped-shop.ts";
import { expectDone } from "./support/expect-done.ts";

describe("the application", () => {
  /** A strategy whose commands write down when they ran and which database had the name then. */
  async function strategyFor(
    shop: Shop,
    health: string,
    parts: { stop?: string; start?: string; healthTimeout?: string } = {},
  ) {
    const log = join(shop.scratch, "commands.log");
    const say = (what: string): string =>
      `psql -XAt -d "$DATABASE_URL" -c "select '${what} ' || oid from pg_database where datname = current_database()" >> ${log}`;
    const file = join(shop.scratch, "handled.yaml");
    const stop = parts.stop === undefined ? say("stop") : `${say("stop")}; ${parts.stop}`;
    const start = parts.start === undefined ? say("start") : `${say("start")}; ${parts.start}`;
    await writeFile(
      file,
      JSON.stringify({
        version: 1,
        repositories: { local: { url: shop.repository } },
        databases: { [shop.live.name]: { url: "${DATABASE_URL}", schemas: ["data"] } },
        application: { stop, start, health, healthTimeout: parts.healthTimeout ?? "1s" },
      }),
    );
    return {
      log: async () => (await readFile(log, "utf8").catch(() => "")).trim().split("\n"),
      restore: async (...args: string[]) =>
        await runCli(["restore", shop.live.name, ...args, "--config", file], {
          env: { DATABASE_URL: shop.live.url },
        }),
    };
  }

  interface Health extends AsyncDisposable {
    readonly url: string;
    readonly asked: () => number;
  }

  async function healthServer(answer: (asked: number) => number): Promise<Health> {
    let asked = 0;
    const server = createServer((_, response) => {
      asked += 1;
      response.writeHead(answer(asked)).end();
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("the server has no port");
    return {
      url: `http://127.0.0.1:${address.port}/health`,
      asked: () => asked,
      [Symbol.asyncDispose]: async () => {
        server.close();
        server.closeAllConnections();
        await once(server, "close");
      },
    };
  }

  async function oidOf(shop: Shop): Promise<string> {
    const [row] = await shop.live.query<{ oid: string }>(
      "select oid::text from pg_database where datname = current_database()",
    );
    return row?.oid ?? "";
  }

  test("is stopped before the swap, started after it, and asked until it is healthy", async () => {
    await using shop = await smallShop();
    await using health = await healthServer((asked) => (asked < 2 ? 503 : 200));
    const strategy = await strategyFor(shop, health.url, { healthTimeout: "30s" });
    const old = await oidOf(shop);
    expectDone(await strategy.restore(...SWAP));
    const swapped = await oidOf(shop);
    expect(swapped).not.toBe(old);
    expect(await strategy.log()).toEqual([`stop ${old}`, `start ${swapped}`]);
    expect(health.asked()).toBe(2);
    expectDone(await strategy.restore("--undo", "--yes"));
    expect(await strategy.log()).toEqual([
      `stop ${old}`,
      `start ${swapped}`,
      `stop ${swapped}`,
      `start ${old}`,
    ]);
  });

  test("is left alone by a restore that replaces nothing, and by a dry run", async () => {
    await using shop = await smallShop();
    const strategy = await strategyFor(shop, "http://127.0.0.1:1/");
    expectDone(await strategy.restore("latest"));
    expectDone(await strategy.restore("latest", "--swap", "--dry-run"));
    expect(await strategy.log()).toEqual([""]);
  });

  test("is started again when the swap fails, and when it could not be stopped", async () => {
    await using shop = await smallShop();
    const old = await oidOf(shop);
    const refused = await strategyFor(shop, "http://127.0.0.1:1/");
    // What can be seen before is told before the application is stopped.
    await shop.live.query("create publication p for table data.item");
    expectRefused(await refused.restore(...SWAP), /publication p names table data\.item/);
    expect(await refused.log()).toEqual([""]);
    await shop.live.query(
      "drop publication p; create table data.newer (id int); create view public.newer as select * from data.newer",
    );
    expectRefused(await refused.restore(...SWAP), /relation "data\.newer" does not exist/);
    expect(await refused.log()).toEqual([`stop ${old}`, `start ${old}`]);
    const stuck = await strategyFor(shop, "http://127.0.0.1:1/", { stop: "echo it hangs >&2; exit 3" });
    expectRefused(await stuck.restore(...SWAP), /stop the application.*exit code 3.*it hangs/s);
    expect((await stuck.log()).slice(2)).toEqual([`stop ${old}`, `start ${old}`]);
    expect(await itemsIn(shop)).toBe(10);
  });

  test("that does not come up is an error that says how to go back", async () => {
    await using shop = await smallShop();
    await using health = await healthServer(() => 500);
    const unhealthy = await strategyFor(shop, health.url);
    const result = await unhealthy.restore(...SWAP);
    expectRefused(result, /the database was swapped, but then: .*HTTP 500/s);
    expect(result.stderr).toContain(`--undo`);
    expect(await itemsIn(shop)).toBe(50);
    expect((await unhealthy.log()).length).toBe(2);
    const undone = await unhealthy.restore("--undo", "--yes");
    expectRefused(undone, /is in place again, but then/);
    expect(await itemsIn(shop)).toBe(10);
  });
});
