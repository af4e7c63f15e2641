import pg from "pg";
import { describe, expect, test } from "vitest";
import { freshRole } from "./support/backed-up.ts";
import { jsonOf, runCli } from "./support/cli.ts";
import { clusterUrl, runSql, uniqueName } from "./support/postgres.ts";
import {
  SWAP,
  expectRefused,
  definitionsOutside,
  type Shop,
  smallShop,
  itemsIn,
} from "./support/swapped-shop.ts";
import { expectDone } from "./support/expect-done.ts";

describe("a role that is no superuser", () => {
  async function managed(memberships: string): Promise<Shop & { admin: string; app: string }> {
    const owned = new AsyncDisposableStack();
    const admin = owned.use(await freshRole(uniqueName("admin"), `login createdb ${memberships}`)).name;
    const app = owned.use(await freshRole(uniqueName("app"), "login")).name;
    const shop = owned.use(await smallShop());
    await runSql(clusterUrl(), `alter database ${shop.live.name} owner to ${admin}`);
    await shop.live.query(`
      alter schema data owner to ${admin};
      do $$ declare t regclass; begin
        for t in select oid from pg_class where relnamespace in ('data'::regnamespace, 'public'::regnamespace) and relkind in ('r', 'v')
        loop execute format('alter table %s owner to ${admin}', t); end loop; end $$;
      alter sequence public.ticket owner to ${admin};
      grant select, insert on public.note to ${app}; grant usage on sequence public.note_id_seq to ${app}`);
    const url = shop.live.url.replace("postgres@", `${admin}@`);
    return {
      ...shop,
      admin,
      app,
      restore: async (args, options) =>
        await runCli(
          ["restore", shop.live.name, ...args, "--url", url, "--repository", shop.repository],
          options,
        ),
      [Symbol.asyncDispose]: async () => await owned.disposeAsync(),
    };
  }

  test("swaps its own database, and ends the sessions of others where it may", async () => {
    await using shop = await managed("in role pg_signal_backend");
    await using client = await connectAs(shop, shop.app);
    await client.query("insert into public.note (body) values ('by the application')");
    const definitions = await definitionsOutside(shop.live.url);
    const swapped = await shop.restore([...SWAP, "--json"]);
    expectDone(swapped);
    expect(jsonOf(swapped)).toMatchObject({ endedSessions: 1 });
    expect(await itemsIn(shop)).toBe(50);
    expect(await definitionsOutside(shop.live.url)).toEqual(definitions);
    expect(await shop.live.query("select body from public.note order by id")).toEqual([
      { body: "first" },
      { body: "by the application" },
    ]);
    const undone = await shop.restore(["--undo", "--yes"]);
    expectDone(undone);
    expect(undone.stdout).toContain("none had to be ended");
    expect(await itemsIn(shop)).toBe(10);
  });

  test("is refused where it may not, and the writes of those sessions stay", async () => {
    await using shop = await managed("");
    await using client = await connectAs(shop, shop.app);
    // Waits for the lock on its table, and is gone once its write is acknowledged: a swap that does not see this
    // session (a role without privileges sees little of others) would release the lock, and swap, and lose the row.
    let writing: Promise<void> | undefined;
    const write = async (): Promise<void> => {
      await client.query("insert into public.note (id, body) values (100, 'acknowledged')");
      await client.end();
    };
    const swap = await shop.restore(SWAP, {
      observer: (_, operation) => {
        if (operation === "child psql") writing ??= write();
      },
    });
    expectRefused(swap, new RegExp(`sessions do not leave it: .*user ${shop.app}`));
    await writing;
    expect(await shop.live.query("select body from public.note order by id")).toEqual([
      { body: "first" },
      { body: "acknowledged" },
    ]);
    expect(await itemsIn(shop)).toBe(10);
  });

  async function connectAs(shop: Shop, role: string): Promise<pg.Client & AsyncDisposable> {
    const client = new pg.Client({ connectionString: shop.live.url.replace("postgres@", `${role}@`) });
    client.on("error", () => undefined);
    await client.connect();
    return Object.assign(client, { [Symbol.asyncDispose]: async () => await client.end() });
  }
});
