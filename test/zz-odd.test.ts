import { expect, test } from "vitest";
import { contentsOf } from "./support/database-contents.ts";
import { jsonOf, runCli } from "./support/cli.ts";
import { ODD_DATABASE_SQL } from "./support/odd-database.ts";
import { freshDatabase, temporaryFolder } from "./support/postgres.ts";
import { restoreWithStockTools } from "./support/stock-tools.ts";
test("odd", async () => {
  await using db = await freshDatabase({ sql: ODD_DATABASE_SQL });
  await using folder = await temporaryFolder();
  for (const args of [["--compression", "gzip"], ["--compression", "zstd"], ["--format", "custom"]]) {
  const r = await runCli(["backup", "--url", db.url, "--repository", folder.path, "--json", ...args]);
  expect(r, r.stderr).toMatchObject({ code: 0 });
  console.log(r.stderr);
  const j = jsonOf(r);
  await using back = await freshDatabase();
  await restoreWithStockTools(String(j["location"]), back.url);
  expect(await contentsOf(back.url)).toEqual(await contentsOf(db.url));
  }
  console.log(JSON.stringify(await contentsOf(db.url),null,1).slice(0,3000));
});
