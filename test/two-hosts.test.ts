import { expect, test } from "vitest";
import { runCli } from "./support/cli.ts";
import { freshBucket, lockingBucket, s3Environment } from "./support/object-store.ts";
import { freshDatabase } from "./support/postgres.ts";

const SQL = `
  create table customers (id int primary key, name text not null);
  insert into customers select n, 'customer ' || n from generate_series(1, 500) n;`;
const CONTENTS = "select md5(string_agg(id || name, ',' order by id)) from customers";

test.each([
  ["a bucket", freshBucket],
  ["one that keeps versions, whose server passes over conditions there", lockingBucket],
])("two hosts that write and prune at once in %s lose nothing, and one of them waits", async (_, make) => {
  const location = await make();
  await using live = await freshDatabase({ sql: SQL });
  await using target = await freshDatabase();
  const env = s3Environment(location);
  const place = ["--url", live.url, "--repository", location.url, "--json"];
  const backup = async () =>
    await runCli(["backup", "--kind", "snapshot", "--keep", "last=3", ...place], { env });
  const prune = async () =>
    await runCli(["prune", live.name, "--keep", "last=2", "--garbage-age", "0s", ...place], { env });
  expect(await backup()).toMatchObject({ code: 0 });
  for (let round = 0; round < 3; round++) {
    await live.query("update customers set name = name || '+' where id % 50 = 0");
    const results = await Promise.all([backup(), backup(), prune()]);
    for (const { code, stderr } of results) expect([0, 11], stderr).toContain(code);
    expect(results.map(({ code }) => code)).toContain(0);
  }
  expect(await backup()).toMatchObject({ code: 0 });
  expect(await runCli(["verify", live.name, "latest", ...place], { env })).toMatchObject({ code: 0 });
  const restored = await runCli(
    ["restore", live.name, "latest", "--to", target.url, "--repository", location.url],
    { env },
  );
  expect(restored).toMatchObject({ code: 0 });
  expect(await target.query(CONTENTS)).toEqual(await live.query(CONTENTS));
});
