import { execFile } from "node:child_process";
import { copyFile, readFile, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { backedUp, expectedDatabase } from "./support/backed-up.ts";
import { jsonOf } from "./support/cli.ts";
import { contentsOf } from "./support/database-contents.ts";
import { ODD_DATABASE_SQL } from "./support/odd-database.ts";
import { uniqueName } from "./support/postgres.ts";

const run = promisify(execFile);

const SHOP_SQL = `
create table customer (id int primary key, name text not null);
create table orders (id serial primary key, customer int references customer, item text);
insert into customer select g, 'customer ' || g from generate_series(1, 5) g;
insert into orders (customer, item) select 1 + g % 5, 'item ' || g from generate_series(1, 20) g;
`;

describe("a restore into a new database", () => {
  test.each([
    ["plain", "gzip"],
    ["plain", "zstd"],
    ["custom", "gzip"],
  ])("brings everything back from a %s archive with %s", async (format, compression) => {
    await using shop = await backedUp({
      sql: ODD_DATABASE_SQL,
      backup: ["--format", format, "--compression", compression],
    });
    const before = await contentsOf(shop.live.url);
    await using restored = expectedDatabase(uniqueName());
    const result = await shop.restore(["latest", "--new-database", restored.name]);
    expect(result.code, result.stderr).toBe(0);
    expect(await contentsOf(restored.url)).toEqual(before);
    expect(await contentsOf(shop.live.url)).toEqual(before);
  });
});
