import { randomBytes } from "node:crypto";
import type { Readable } from "node:stream";
import { ListMultipartUploadsCommand, ListObjectsV2Command, type S3Client } from "@aws-sdk/client-s3";
import { expect, test } from "vitest";
import { freshBucket, objectStore, s3Environment, s3Url } from "../../../test/support/object-store.ts";
import { noAbort, testRuntime } from "../../../test/support/runtime.ts";
import { s3Client } from "../../../test/support/s3-client.ts";
import { storageContract } from "../../../test/support/storage-contract.ts";
import { mapBounded } from "../../lib/concurrency.ts";
import { openStorage } from "../open.ts";
import type { StagedObject, Storage } from "../storage.ts";
import { parseS3Url } from "./place.ts";

const signal = noAbort();
const MIB = 1024 ** 2;

storageContract("s3", async () => ({
  storage: openStorage(testRuntime(), await freshBucket()),
  [Symbol.asyncDispose]: async () => undefined,
}));

test("a large object goes up in parts, is read back before it has its key, and leaves nothing else", async () => {
  const { storage, client, look } = await bucketAndClient();
  const chunk = randomBytes(MIB);
  await using staged = await storage.stage("db/large", signal);
  await writeMany(staged, chunk, 40);
  expect(await look()).toEqual({ objects: [], uploads: 1 });
  await staged.write(Buffer.from("end"));
  expect(await staged.finish()).toBe(40 * MIB + 3);
  expect(await storage.stat("db/large", signal)).toBeUndefined();
  expect(await storage.keys("", "all", signal)).toEqual([]);
  expect(await holds(await staged.read(signal), chunk, 40)).toBe(true);
  await staged.publish();
  expect(await holds(await storage.open("db/large", signal), chunk, 40)).toBe(true);
  await staged[Symbol.asyncDispose]();
  expect(await look()).toEqual({ objects: ["db/large"], uploads: 0 });
  client.destroy();
});

test("what is too large for one request is copied to its key in parts", async () => {
  const { storage, client, look } = await bucketAndClient();
  const chunk = randomBytes(MIB);
  await using staged = await storage.stage("db/large", signal);
  await writeMany(staged, chunk, 130);
  await staged.write(Buffer.from("end"));
  await staged.finish();
  await staged.publish();
  expect(await holds(await storage.open("db/large", signal), chunk, 130)).toBe(true);
  await staged[Symbol.asyncDispose]();
  expect(await look()).toEqual({ objects: ["db/large"], uploads: 0 });
  client.destroy();
});

test("a large object overwrites nothing unless it is to, and one that is given up leaves nothing", async () => {
  const { storage, client, look } = await bucketAndClient();
  await storage.put("db/a", Buffer.from("theirs"), signal);
  {
    await using staged = await storage.stage("db/a", signal);
    await writeMany(staged, Buffer.alloc(MIB), 33);
    await staged.finish();
    await expect(staged.publish()).rejects.toMatchObject({ code: "object_exists" });
    expect((await storage.get("db/a", signal)).toString()).toBe("theirs");
    await staged.replace();
  }
  {
    await using half = await storage.stage("db/b", signal);
    await writeMany(half, Buffer.alloc(MIB), 33);
  }
  expect(await storage.stat("db/a", signal)).toMatchObject({ size: 33 * MIB });
  expect(await look()).toEqual({ objects: ["db/a"], uploads: 0 });
  client.destroy();
});

test("sweep removes what crashed writers left in one database, and nothing else", async () => {
  const { storage, client, look } = await bucketAndClient();
  await storage.put("db/.handled-notes.tmp", Buffer.from("a user's own"), signal);
  const abandon = async (key: string, size: number): Promise<void> => {
    const staged = await storage.stage(key, signal);
    await writeMany(staged, Buffer.alloc(MIB), size);
    if (size > 33) return;
    await staged.finish();
    await staged.read(signal).then((stream) => stream.destroy());
  };
  await abandon("db/deep/below/small", 1);
  await abandon("db/finished", 33);
  await abandon("db/half", 40);
  await abandon("other/archive", 1);
  expect(await storage.keys("", "all", signal)).toEqual(["db/.handled-notes.tmp"]);
  expect(await storage.strays("db/", signal)).toBe(3);
  expect(await storage.sweep("db/", signal)).toBe(3);
  expect(await look()).toEqual({
    objects: ["db/.handled-notes.tmp", expect.stringMatching(/^other\/\.handled-.*\.tmp$/)],
    uploads: 0,
  });
  expect(await storage.sweep("", signal)).toBe(1);
  client.destroy();
});

test("a small object takes one request, its parts' folder a thousand", async () => {
  const { storage } = await bucketAndClient();
  const keys = Array.from({ length: 1100 }, (_, at) => `db/parts/${at % 3}/${at}`);
  await mapBounded(keys, 32, (key) => storage.put(key, Buffer.from(key), signal));
  await storage.put("db/here", Buffer.from("x"), signal);
  expect((await storage.keys("db/", "all", signal)).toSorted()).toEqual(["db/here", ...keys].toSorted());
  expect((await storage.keys("db/parts/", "all", signal)).toSorted()).toEqual(keys.toSorted());
  expect(await Array.fromAsync(storage.list("db/parts/", "all", signal))).toHaveLength(1100);
  const asked = [...keys, "db/parts/0/none", "db/here"];
  expect(await storage.sizes(asked, signal)).toEqual([...keys.map((key) => key.length), undefined, 1]);
});

test("folders that a console made, and names that are no keys, are not listed", async () => {
  const { storage, location, client } = await bucketAndClient();
  const { bucket, prefix } = parseS3Url(location.url);
  const { PutObjectCommand } = await import("@aws-sdk/client-s3");
  for (const key of ["db/", "db//double", "db/./dot"]) {
    await client.send(new PutObjectCommand({ Bucket: bucket, Key: prefix + key, Body: Buffer.alloc(0) }));
  }
  await storage.put("db/real", Buffer.from("x"), signal);
  expect(await storage.keys("db/", "all", signal)).toEqual(["db/real"]);
  expect((await Array.fromAsync(storage.list("", "all", signal))).map(({ key }) => key)).toEqual(["db/real"]);
  expect(await storage.folders("db/", signal)).toEqual([]);
  client.destroy();
});

test("the keys of the environment are used where the strategy has none", async () => {
  const location = await freshBucket();
  const storage = openStorage(testRuntime({ env: s3Environment(location) }), location.url);
  await storage.put("a", Buffer.from("x"), signal);
  expect((await storage.get("a", signal)).toString()).toBe("x");
});

test.each([
  ["a wrong secret", { secretKey: "wrong-secret" }, "the secret key is wrong"],
  ["an unknown access key", { accessKey: "NOBODY" }, "the access key is not known"],
])("%s is told as such, with a hint at where keys come from", async (_, wrong, message) => {
  const { url, keys } = await freshBucket();
  const storage = openStorage(testRuntime(), {
    url,
    keys: { ...keys, ...wrong },
  });
  for (const attempt of [
    () => storage.put("a", Buffer.from("x"), signal),
    () => storage.get("a", signal),
    () => storage.keys("", "all", signal),
  ]) {
    await expect(attempt()).rejects.toMatchObject({
      code: "repository_unusable",
      message: expect.stringContaining(message),
      hint: expect.stringContaining("AWS_SECRET_ACCESS_KEY"),
    });
  }
  // An answer to HEAD has no body that says more.
  await expect(storage.stat("a", signal)).rejects.toMatchObject({ code: "repository_unusable" });
});

test("a missing bucket is told as such by every method, never taken for an empty one", async () => {
  const store = await objectStore();
  const { keys } = await freshBucket();
  const storage = openStorage(testRuntime(), { url: s3Url(store, "no-such-bucket/x"), keys });
  for (const attempt of [
    () => storage.put("a", Buffer.from("x"), signal),
    () => storage.putIfAbsent("a", Buffer.from("x"), signal),
    () => storage.get("a", signal),
    () => storage.getMany(["a"], signal),
    () => storage.open("a", signal),
    () => storage.stat("a", signal),
    () => storage.sizes(["a"], signal),
    () => storage.keys("", "all", signal),
    () => storage.folders("", signal),
    () => storage.delete("a", signal),
    () => storage.sweep("", signal),
    () => Array.fromAsync(storage.list("", "all", signal)),
  ]) {
    await expect(attempt()).rejects.toMatchObject({
      code: "bucket_missing",
      message: expect.stringContaining("there is no bucket no-such-bucket"),
    });
  }
});

test("an endpoint where nobody listens is told within seconds", async () => {
  const { keys } = await freshBucket();
  const storage = openStorage(testRuntime(), { url: "s3://bucket/x?endpoint=http://127.0.0.1:9", keys });
  await expect(storage.get("a", signal)).rejects.toMatchObject({
    code: "repository_unreachable",
    message: expect.stringContaining("http://127.0.0.1:9 does not answer (ECONNREFUSED)"),
    hint: expect.stringContaining("endpoint"),
  });
});

interface Looked {
  readonly objects: readonly string[];
  readonly uploads: number;
}

/** A storage, and what really lies in its place. */
async function bucketAndClient(): Promise<{
  storage: Storage;
  location: { readonly url: string };
  client: S3Client;
  look: () => Promise<Looked>;
}> {
  const location = await freshBucket();
  const client = s3Client(await objectStore());
  const { bucket: Bucket, prefix: Prefix } = parseS3Url(location.url);
  return {
    storage: openStorage(testRuntime(), location),
    location,
    client,
    look: async () => {
      const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket, Prefix }));
      const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket, Prefix }));
      return { objects: Contents.map(({ Key = "" }) => Key.slice(Prefix.length)), uploads: Uploads.length };
    },
  };
}

async function writeMany(staged: StagedObject, chunk: Buffer, count: number): Promise<void> {
  for (let written = 0; written < count; written++) await staged.write(chunk);
}

/** Whether a stream is the chunk so many times, and then `end`. */
async function holds(stream: Readable, chunk: Buffer, count: number): Promise<boolean> {
  let rest: Buffer = Buffer.alloc(0);
  let equal = 0;
  for await (const piece of stream as AsyncIterable<Buffer>) {
    rest = Buffer.concat([rest, piece]);
    for (; equal < count && rest.length >= chunk.length; equal++) {
      if (!rest.subarray(0, chunk.length).equals(chunk)) return false;
      rest = rest.subarray(chunk.length);
    }
  }
  return equal === count && rest.toString() === "end";
}
