import { createHash, randomBytes } from "node:crypto";
import {
  DeleteObjectCommand,
  HeadObjectCommand,
  ListObjectVersionsCommand,
  type S3Client,
} from "@aws-sdk/client-s3";
import { expect, test } from "vitest";
import {
  type BucketLocation,
  freshBucket,
  lockingBucket,
  objectStore,
} from "../../../test/support/object-store.ts";
import { noAbort, testRuntime } from "../../../test/support/runtime.ts";
import { s3Client } from "../../../test/support/s3-client.ts";
import { storageContract } from "../../../test/support/storage-contract.ts";
import { openStorage } from "../open.ts";
import { parseS3Url } from "./place.ts";

const signal = noAbort();
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const lock = { windowMs: DAY, mode: "compliance" } as const;

storageContract("s3 with versions", async () => ({
  storage: openStorage(testRuntime(), await lockingBucket()),
  [Symbol.asyncDispose]: async () => undefined,
}));

storageContract("s3 with locks", async () => ({
  storage: openStorage(testRuntime(), { ...(await lockingBucket()), lock }),
  [Symbol.asyncDispose]: async () => undefined,
}));

/** Until when the newest version is locked, as the server says. */
async function lockOf(client: S3Client, location: BucketLocation, key: string): Promise<Date | undefined> {
  const { bucket, prefix } = parseS3Url(location.url);
  const head = await client.send(new HeadObjectCommand({ Bucket: bucket, Key: prefix + key }));
  expect(head.ObjectLockMode).toBe(head.ObjectLockRetainUntilDate === undefined ? undefined : "COMPLIANCE");
  return head.ObjectLockRetainUntilDate;
}

function around(date: Date | undefined, ms: number): void {
  expect(Math.abs((date?.getTime() ?? 0) - Date.now() - ms)).toBeLessThan(60_000);
}

test("all that is written is locked for twice the window, except what is written again or removed soon", async () => {
  const location = await lockingBucket();
  const client = s3Client(await objectStore());
  const storage = openStorage(testRuntime(), { ...location, lock });
  const data = Buffer.from("x");
  const transient = [
    "db/lease.1.json",
    "db/backups/i/unfinished",
    "db/readers/t.json",
    "db/records/garbage/n.note",
  ];
  for (const key of transient) await storage.putIfAbsent(key, data, signal);
  await storage.put("db/backups/i/tables", data, signal);
  await storage.putIfAbsent("db/backups/i/index", data, signal);
  {
    await using small = await storage.stage("db/parts/ab/small", signal);
    await small.write(data);
    await small.finish();
    await small.publish();
  }
  {
    await using large = await storage.stage("db/large.sql.gz", signal);
    const chunk = randomBytes(1024 ** 2);
    for (let n = 0; n < 130; n++) await large.write(chunk);
    await large.finish();
    await large.publish();
  }
  for (const key of ["db/backups/i/tables", "db/backups/i/index", "db/parts/ab/small", "db/large.sql.gz"]) {
    around(await lockOf(client, location, key), 2 * DAY);
    around(await storage.locks?.lockedUntil(key, signal), 2 * DAY);
  }
  for (const key of transient) expect(await lockOf(client, location, key)).toBeUndefined();

  const { bucket, prefix } = parseS3Url(location.url);
  const { Versions = [] } = await client.send(
    new ListObjectVersionsCommand({ Bucket: bucket, Prefix: prefix }),
  );
  const index = Versions.find(({ Key }) => Key === `${prefix}db/backups/i/index`);
  const deletion = client.send(
    new DeleteObjectCommand({ Bucket: bucket, Key: index?.Key, VersionId: index?.VersionId }),
  );
  await expect(deletion).rejects.toMatchObject({ name: "AccessDenied" });
  client.destroy();
});

test("a lock is extended, and not of what is missing", async () => {
  const location = await lockingBucket();
  const client = s3Client(await objectStore());
  const short = openStorage(testRuntime(), { ...location, lock: { ...lock, windowMs: HOUR } });
  await short.put("db/a", Buffer.from("x"), signal);
  const long = openStorage(testRuntime(), { ...location, lock });
  expect(await long.locks?.extend("db/a", signal)).toBe(true);
  expect(await long.locks?.extend("db/b", signal)).toBe(false);
  around(await lockOf(client, location, "db/a"), 2 * DAY);
  client.destroy();
});

test("a clock that is years ahead locks nothing for years", async () => {
  const location = await lockingBucket();
  const client = s3Client(await objectStore());
  const ahead = testRuntime();
  const clock = { ...ahead.clock, now: () => new Date(Date.now() + 3650 * DAY) };
  await openStorage({ ...ahead, clock }, { ...location, lock }).put("db/a", Buffer.from("x"), signal);
  around(await lockOf(client, location, "db/a"), 2 * DAY);
  client.destroy();
});

test("a bucket without object lock is refused in clear words, and says so when asked", async () => {
  const storage = openStorage(testRuntime(), { ...(await freshBucket()), lock });
  await expect(storage.put("db/a", Buffer.from("x"), signal)).rejects.toMatchObject({
    code: "repository_unusable",
    message: expect.stringContaining("the bucket has no object lock"),
  });
  expect(await storage.protection?.(signal)).toEqual({
    versioning: false,
    objectLock: false,
    expiresOldVersions: false,
  });
  const locking = openStorage(testRuntime(), { ...(await lockingBucket()), lock });
  expect(await locking.protection?.(signal)).toMatchObject({ versioning: true, objectLock: true });
});

test("of many who make one object at once in a bucket with versions one wins, and its bytes stay", async () => {
  const location = await lockingBucket();
  const storages = Array.from({ length: 6 }, () => openStorage(testRuntime(), { ...location, lock }));
  for (let round = 0; round < 4; round++) {
    const key = `db/backups/${round}/index`;
    const made = await Promise.all(
      storages.map((storage, n) => storage.putIfAbsent(key, Buffer.from(`writer ${n}`), signal)),
    );
    expect(made.filter(Boolean)).toHaveLength(1);
    const held = await storages[0]?.get(key, signal);
    expect(
      createHash("sha256")
        .update(held ?? "")
        .digest("hex"),
    ).toBe(
      createHash("sha256")
        .update(`writer ${made.indexOf(true)}`)
        .digest("hex"),
    );
  }
});
