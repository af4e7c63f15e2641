import { describe, expect, test } from "vitest";
import { listReplaced } from "../src/operations/replaced.ts";
import { databasesLike, expectedDatabase } from "./support/backed-up.ts";
import { jsonOf } from "./support/cli.ts";
import { contentsOf } from "./support/database-contents.ts";
import { manualClock } from "./support/manual-clock.ts";
import { clusterUrl, runSql } from "./support/postgres.ts";
import { noAbort, testRuntime } from "./support/runtime.ts";
import { SWAP, expectRefused, propertiesOf, smallShop, itemsIn } from "./support/swapped-shop.ts";
import { expectDone } from "./support/expect-done.ts";

describe("--undo", () => {
  test("tells what was written since, keeps it under another name, and works once", async () => {
    await using shop = await smallShop();
    const before = await contentsOf(shop.live.url);
    expectDone(await shop.restore(SWAP));
    const nothing = await shop.restore(["--undo", "--dry-run"]);
    expectDone(nothing);
    expect(nothing.stdout).toContain("no row that is in it was written since");
    await shop.live.query(`
      insert into public.note (body) select 'later' from generate_series(1, 3);
      update data.item set name = 'changed' where id <= 2; delete from data.item where id = 50`);
    const later = await contentsOf(shop.live.url);
    const preview = await shop.restore(["--undo", "--dry-run", "--json"]);
    expect(jsonOf(preview)).toMatchObject({
      dryRun: true,
      laterWrites: [
        { schema: "data", name: "item", rows: 2 },
        { schema: "public", name: "note", rows: 3 },
      ],
    });
    expectRefused(await shop.restore(["--undo"]), /nobody is there to confirm it/, 2);
    expect(await contentsOf(shop.live.url)).toEqual(later);

    const undone = await shop.restore(["--undo", "--yes", "--json"]);
    expectDone(undone);
    expect(await contentsOf(shop.live.url)).toEqual(before);
    const aside = String(jsonOf(undone)["undone"]);
    expect(aside).toMatch(new RegExp(`^${shop.live.name}_undone_`));
    expect(await contentsOf(expectedDatabase(aside).url)).toEqual(later);
    expectRefused(await shop.restore(["--undo", "--yes"]), /keeps no database that a swap replaced/);
  });

  test("brings the replaced database back when the one in place is gone", async () => {
    await using shop = await smallShop();
    const before = await contentsOf(shop.live.url);
    expectDone(await shop.restore(SWAP));
    await runSql(clusterUrl(), `drop database ${shop.live.name}`);
    const result = await shop.restore(["--undo", "--yes", "--json"]);
    expectDone(result);
    expect(jsonOf(result)).toMatchObject({ dryRun: false, undone: null, laterWrites: [] });
    expect(await contentsOf(shop.live.url)).toEqual(before);
  });

  test("goes back step by step", async () => {
    await using shop = await smallShop();
    expectDone(await shop.restore(SWAP));
    await shop.live.query(
      "insert into data.item values (51, 'between'); comment on database current_name is 'between'".replace(
        "current_name",
        shop.live.name,
      ),
    );
    expectDone(await shop.restore(SWAP));
    expect(await itemsIn(shop)).toBe(50);
    expectDone(await shop.restore(["--undo", "--yes"]));
    expect(await itemsIn(shop)).toBe(51);
    expect(await propertiesOf(shop.live.name)).toMatchObject([{ comment: "between" }]);
    expectDone(await shop.restore(["--undo", "--yes"]));
    expect(await itemsIn(shop)).toBe(10);
    expect(await propertiesOf(shop.live.name)).toMatchObject([{ comment: null }]);
  });
});

test("what a swap replaced is dropped after its lifetime, and nothing else is", async () => {
  await using shop = await smallShop();
  await using other = await smallShop();
  const result = await shop.restore([...SWAP, "--json"]);
  expectDone(result);
  expectDone(await other.restore(SWAP));
  const { before, dropAfter } = jsonOf(result);
  const days = (new Date(String(dropAfter)).getTime() - Date.now()) / 86_400_000;
  expect(days).toBeCloseTo(7, 1);
  const at = async (daysFromNow: number, drop: boolean) => {
    const runtime = testRuntime({ clock: manualClock(new Date(Date.now() + daysFromNow * 86_400_000)) });
    const replaced = await listReplaced(runtime, shop.live.settings, drop, noAbort());
    return replaced.map(({ database, of, expired }) => ({ database, of, expired }));
  };
  const entry = { database: before, of: shop.live.name };
  expect(await at(6.9, true)).toEqual([{ ...entry, expired: false }]);
  expect(await at(7.1, false)).toEqual([{ ...entry, expired: true }]);
  expect(await databasesLike(`${shop.live.name}%`)).toEqual([shop.live.name, before]);
  expect(await at(7.1, true)).toEqual([{ ...entry, expired: true }]);
  expect(await databasesLike(`${shop.live.name}%`)).toEqual([shop.live.name]);
  expect(await databasesLike(`${other.live.name}%`)).toHaveLength(2);
  expect(await at(7.1, true)).toEqual([]);
});
