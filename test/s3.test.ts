import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { jsonOf, runCli } from "./support/cli.ts";
import { freshBucket, objectStore, s3Environment, s3Url } from "./support/object-store.ts";
import { freshDatabase, temporaryFolder } from "./support/postgres.ts";

beforeAll(async () => {
  await objectStore();
});

const SQL = `
  create table customers (id int primary key, name text not null);
  insert into customers select n, 'customer ' || n from generate_series(1, 5000) n;
  create table orders (id int primary key, customer int references customers, note text);
  insert into orders select n, 1 + n % 5000, repeat(md5(n::text), 8) from generate_series(1, 20000) n;
  create schema empty; create table empty.nothing (x int);`;

const contents =
  "select (select count(*) from customers) as customers, (select sum(length(note)) from orders) as notes";

test.each(["archive", "snapshot"])("a %s goes straight to a bucket and comes back", async (kind) => {
  const location = await freshBucket();
  await using live = await freshDatabase({ sql: SQL });
  await using target = await freshDatabase();
  const env = s3Environment(location);
  const place = ["--url", live.url, "--repository", location.url];
  const run = async (...args: string[]) => await runCli([...args, "--json"], { env });

  expect(await run("doctor", ...place)).toMatchObject({ code: 0 });
  const first = await run("backup", "--kind", kind, ...place);
  expect(first).toMatchObject({ code: 0 });
  const { id } = jsonOf(first);
  await live.query("update customers set name = 'changed' where id < 10");
  const second = await run("backup", "--kind", kind, ...place);
  expect(second).toMatchObject({ code: 0 });
  if (kind === "snapshot") expect(jsonOf(second)["parts"]).toMatchObject({ reused: expect.any(Number) });

  expect(await run("verify", live.name, "latest", ...place)).toMatchObject({ code: 0 });
  const listed = await run("list", ...place);
  expect(listed).toMatchObject({ code: 0 });
  expect(listed.stdout).toContain(String(id));
  const shown = await runCli(["show", String(id), "--repository", location.url], { env });
  expect(shown.stdout).toContain("s3://handled-tests/");

  const restored = await run(
    "restore",
    live.name,
    String(id),
    "--to",
    target.url,
    "--repository",
    location.url,
  );
  expect(restored).toMatchObject({ code: 0 });
  expect(await target.query(contents)).toEqual(await live.query(contents));

  const pruned = await run("prune", live.name, "--repository", location.url, "--keep", "last=1");
  expect(pruned).toMatchObject({ code: 0 });
  expect((await run("list", "--repository", location.url)).stdout).not.toContain(String(id));
  expect(await run("verify", live.name, "latest", "--repository", location.url)).toMatchObject({ code: 0 });
});

test("the keys of a strategy reach every thread, and only a place's own keys are used", async () => {
  const { url, keys } = await freshBucket();
  await using folder = await temporaryFolder();
  await using live = await freshDatabase({ sql: SQL });
  const config = join(folder.path, "handled.yaml");
  await writeFile(
    config,
    `version: 1
repositories:
  bucket: { url: "${url}", accessKey: "\${PLACE_ID}", secretKey: "\${PLACE_SECRET}" }
databases:
  shop: { url: "${live.url}", backups: [{ name: hourly, kind: snapshot, jobs: 2 }] }
`,
    { mode: 0o600 },
  );
  const env = {
    PLACE_ID: keys?.accessKey ?? "",
    PLACE_SECRET: keys?.secretKey ?? "",
    AWS_ACCESS_KEY_ID: "nobody",
    AWS_SECRET_ACCESS_KEY: "nothing",
  };
  const run = async (...args: string[]) => await runCli([...args, "--config", config, "--json"], { env });
  expect(jsonOf(await run("config", "check"))).toMatchObject({ databases: [{ location: url }] });
  expect(await run("backup")).toMatchObject({ code: 0 });
  expect(await run("verify", "shop", "--level", "integrity")).toMatchObject({ code: 0 });
  expect(await run("status")).toMatchObject({ stdout: expect.stringContaining("shop") });
  const restored = await run("restore", "shop", "latest", "--new-database", `${live.name}_back`);
  expect(restored).toMatchObject({ code: 0 });
  await live.query(`drop database "${live.name}_back"`);
});

test("secrets of a bucket are in no output", async () => {
  const store = await objectStore();
  const env = { AWS_ACCESS_KEY_ID: store.accessKey, AWS_SECRET_ACCESS_KEY: "a-wrong-secret" };
  const result = await runCli(["list", "--repository", s3Url(store, "handled-tests/x")], { env });
  expect(result.code).toBe(1);
  expect(result.stderr).toContain("the secret key is wrong");
  expect(result.stdout + result.stderr).not.toContain("a-wrong-secret");
});
