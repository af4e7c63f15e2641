import {
  DeleteObjectCommand,
  ListObjectVersionsCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  PutObjectRetentionCommand,
} from "@aws-sdk/client-s3";
import { expect, test } from "vitest";
import { parseS3Url } from "../src/storage/s3/place.ts";
import { isTransientKey } from "../src/storage/transient-keys.ts";
import { jsonOf, runCli } from "./support/cli.ts";
import { identityIn } from "./support/keys.ts";
import {
  type BucketLocation,
  freshBucket,
  lockingBucket,
  objectStore,
  s3Environment,
} from "./support/object-store.ts";
import { freshDatabase, temporaryFolder } from "./support/postgres.ts";
import { s3Client } from "./support/s3-client.ts";

const SQL = `
  create table customers (id int primary key, name text not null);
  insert into customers select n, 'customer ' || n from generate_series(1, 3000) n;
  create table orders (id int primary key, customer int references customers, note text);
  insert into orders select n, 1 + n % 3000, repeat(md5(n::text), 8) from generate_series(1, 10000) n;`;

const CONTENTS =
  "select (select count(*) from customers) as customers, (select md5(string_agg(note, ',' order by id)) from orders) as notes";

/** With the keys of the backup host: tries to delete every version, then overwrites and deletes every object. */
async function attack(location: BucketLocation): Promise<{ refused: number; lifted: number }> {
  const client = s3Client(await objectStore());
  const { bucket: Bucket, prefix: Prefix } = parseS3Url(location.url);
  const { Versions = [] } = await client.send(new ListObjectVersionsCommand({ Bucket, Prefix }));
  let refused = 0;
  let lifted = 0;
  const forbidden = (error: unknown): void => {
    expect(error).toMatchObject({ name: "AccessDenied" });
    refused += 1;
  };
  for (const { Key = "", VersionId } of Versions) {
    if (isTransientKey(Key.slice(Prefix.length))) continue;
    const Retention = { Mode: "COMPLIANCE" as const, RetainUntilDate: new Date(Date.now() + 1000) };
    await client
      .send(
        new PutObjectRetentionCommand({ Bucket, Key, VersionId, Retention, BypassGovernanceRetention: true }),
      )
      .then(
        () => {
          lifted += 1;
        },
        () => undefined,
      );
    await client
      .send(new DeleteObjectCommand({ Bucket, Key, VersionId, BypassGovernanceRetention: true }))
      .then(() => expect.unreachable(`${Key} was deleted`), forbidden);
  }
  const suspend = { Status: "Suspended" as const };
  await client.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: suspend })).then(
    () => expect.unreachable("versioning was switched off"),
    () => undefined,
  );
  for (const Key of new Set(Versions.map((version) => version.Key))) {
    await client.send(new PutObjectCommand({ Bucket, Key, Body: Buffer.from("encrypted; pay") }));
    if (Key?.endsWith("index") !== true) await client.send(new DeleteObjectCommand({ Bucket, Key }));
  }
  await client.send(new PutObjectCommand({ Bucket, Key: `${Prefix}ransom/note.sql.gz`, Body: "pay" }));
  client.destroy();
  return { refused, lifted };
}

test.each([
  ["an archive", "archive", false],
  ["a snapshot", "snapshot", false],
  ["an encrypted snapshot", "snapshot", true],
])(
  "with stolen keys everything is overwritten and deleted, and %s comes back as of before",
  async (_what, kind, isSealed) => {
    const location = await lockingBucket();
    await using folder = await temporaryFolder();
    const owner = identityIn(folder.path);
    const home = { HOME: folder.path, XDG_CONFIG_HOME: "", HANDLED_IDENTITY: "" };
    const recipient = isSealed ? ["--recipient", owner.recipient] : [];
    const identity = isSealed ? ["--identity", owner.file] : [];
    await using live = await freshDatabase({ sql: SQL });
    await using target = await freshDatabase();
    const env = { ...(isSealed ? home : {}), ...s3Environment(location) };
    const run = async (...args: string[]) => await runCli([...args, "--json"], { env });
    const repository = ["--repository", `${location.url}&lock=1d`];
    const backup = async () =>
      await run("backup", "--kind", kind, "--url", live.url, ...repository, ...recipient);

    expect(await backup()).toMatchObject({ code: 0 });
    await live.query("update customers set name = 'changed' where id < 10");
    const taken = await backup();
    expect(taken).toMatchObject({ code: 0 });
    const { id } = jsonOf(taken);
    const before = await live.query(CONTENTS);
    const asOf = ["--as-of", new Date().toISOString()];

    const { refused, lifted } = await attack(location);
    expect(refused).toBeGreaterThan(5);
    expect(lifted).toBe(0);
    const restore = ["restore", live.name, "latest", "--to", target.url, ...repository, ...identity];
    const failed = await run(...restore);
    expect(failed.code).not.toBe(0);

    const listed = await run("list", ...asOf, ...repository);
    expect(listed).toMatchObject({ code: 0 });
    expect(listed.stdout).toContain(String(id));
    expect(listed.stdout).not.toContain("ransom");
    expect(await run("show", String(id), ...asOf, ...repository)).toMatchObject({ code: 0 });
    const verify = ["verify", live.name, "latest", ...asOf, ...repository, ...identity];
    expect(await run(...verify)).toMatchObject({ code: 0 });
    const restored = await run(...restore, ...asOf);
    expect(restored).toMatchObject({ code: 0 });
    expect(restored.stderr).not.toMatch(/warn/i);
    expect(await target.query(CONTENTS)).toEqual(before);
  },
);

test("a time without a zone, one to come, and one of a folder are refused", async () => {
  const { url } = await freshBucket();
  const list = async (time: string, place: string) =>
    await runCli(["list", "--repository", place, "--as-of", time]);
  expect(await list("2026-11-28 12:00", url)).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("zone"),
  });
  const future = new Date(Date.now() + 3_600_000).toISOString();
  expect(await list(future, url)).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("still to come"),
  });
  const folder = await list("2026-01-01T00:00:00Z", "/tmp");
  expect(folder).toMatchObject({ code: 2, stderr: expect.stringContaining("only a bucket") });
});

test("a lock on a bucket that has none is found by the doctor, and refused by a backup", async () => {
  const location = await freshBucket();
  await using live = await freshDatabase({ sql: SQL });
  const env = s3Environment(location);
  const place = ["--url", live.url, "--repository", `${location.url}&lock=1d`];
  const doctor = await runCli(["doctor", ...place], { env });
  expect(doctor.stdout + doctor.stderr).toContain("cannot lock objects");
  expect(doctor.code).not.toBe(0);
  const backup = await runCli(["backup", ...place], { env });
  expect(backup).toMatchObject({ code: 1, stderr: expect.stringContaining("has no object lock") });
  const locking = await lockingBucket();
  const good = await runCli(["doctor", "--url", live.url, "--repository", `${locking.url}&lock=1d`], { env });
  expect(good.stdout + good.stderr).toContain("objects are locked for");
  expect(good.stdout + good.stderr).toContain("space is never freed");
});

test("pruning leaves what is locked and says until when; a longer window locks all of it anew", async () => {
  const location = await lockingBucket();
  await using live = await freshDatabase({ sql: SQL });
  const env = s3Environment(location);
  const backup = async (lock: string) =>
    await runCli(
      [
        "backup",
        "--kind",
        "snapshot",
        "--url",
        live.url,
        "--repository",
        `${location.url}&lock=${lock}`,
        "--json",
      ],
      { env },
    );
  const first = await backup("1d");
  expect(first).toMatchObject({ code: 0, stderr: expect.stringContaining("locked for another 2 d") });
  await live.query("update customers set name = 'changed' where id < 10");
  const second = await backup("1d");
  expect(second).toMatchObject({ code: 0, stderr: expect.not.stringContaining("locked for another") });

  const place = ["--repository", `${location.url}&lock=1d`];
  const pruned = await runCli(["prune", live.name, "--keep", "last=1", ...place], { env });
  expect(pruned.code).toBe(0);
  expect(pruned.stdout).toMatch(/0 backups deleted, 2 backups kept/);
  expect(pruned.stdout).toMatch(
    /1 backup of those would go, and cannot before their locks end: the last on 20/,
  );
  const listed = await runCli(["list", ...place], { env });
  expect(listed.stdout).toContain(String(jsonOf(first)["id"]));

  const longer = await backup("3d");
  expect(longer).toMatchObject({ code: 0, stderr: expect.stringContaining("locked for another 6 d") });
});
