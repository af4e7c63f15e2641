/**
 * How many requests a snapshot takes of an object store, with and without object lock:
 *
 *   node bench/requests.ts
 *
 * What a provider bills. The store is a Ceph on this machine; a proxy in front of it counts. The locks are extended in a run of
 * their own: the record that says when that was done last is deleted before it, as if a window had gone by.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { DeleteObjectCommand } from "@aws-sdk/client-s3";
import { KEY_VARIABLES, startCeph } from "../test/support/ceph.ts";
import { httpProxy } from "../test/support/http-proxy.ts";
import { makeBucket, s3Client } from "../test/support/s3-client.ts";
import { DATABASE } from "./snapshot/handled.ts";
import { createDatabase, freshFolder, openSession } from "./snapshot/bench.ts";
import { makePlace } from "./snapshot/place.ts";

const ROWS = 200_000;
const LAST_EXTENDED = `${DATABASE}/records/locks/extended.json`;
const KINDS = ["PUT", "retention", "GET", "HEAD", "DELETE", "POST"] as const;
type Count = Record<(typeof KINDS)[number], number>;

const stop = new AbortController();
process.once("SIGINT", () => stop.abort(new Error("stopped")));
await using place = await makePlace(stop.signal);
await using store = await startCeph(await freshFolder(place, "ceph"));
await using proxy = await httpProxy(store.endpoint, () => "pass");
{
  await createDatabase(place, DATABASE, stop.signal);
  await using session = await openSession(place, DATABASE, stop.signal);
  await session.query(
    `create table public.item as select g as id, pg_catalog.repeat(pg_catalog.md5(g::text), 10) as pad from pg_catalog.generate_series(1, ${ROWS}) g`,
  );
}

/** Takes a snapshot, and counts. */
async function requestsOf(repository: string): Promise<Count> {
  const before = proxy.requests.length;
  const args = ["backup", DATABASE, "--kind", "snapshot", "--url", `dbname=${DATABASE}`];
  const child = spawn(process.execPath, [place.program, ...args, "--repository", repository, "--quiet"], {
    env: { ...place.env, ...KEY_VARIABLES },
    stdio: ["ignore", "ignore", "pipe"],
  });
  const [said, [code]] = await Promise.all([text(child.stderr), once(child, "close")]);
  if (code !== 0) throw new Error(`the backup failed: ${said}`);
  const count: Count = { PUT: 0, retention: 0, GET: 0, HEAD: 0, DELETE: 0, POST: 0 };
  for (const { method, path } of proxy.requests.slice(before)) {
    const kind = method === "PUT" && /[?&]retention\b/.test(path) ? "retention" : method;
    count[kind as keyof Count] += 1;
  }
  return count;
}

const line = (name: string, cells: readonly (string | number)[]): string =>
  name.padEnd(44) + cells.map((cell) => String(cell).padStart(10)).join("");
process.stdout.write(`${line("snapshot", KINDS)}\n`);
for (const [what, lock] of [
  ["plain", ""],
  ["locked", "&lock=14d"],
] as const) {
  const bucket = `bench-${what}`;
  await makeBucket(store, bucket, lock !== "");
  const repository = `s3://${bucket}/backups?endpoint=${proxy.endpoint}&region=us-east-1${lock}`;
  const tell = async (name: string): Promise<void> => {
    const count = await requestsOf(repository);
    process.stdout.write(
      `${line(
        `${what}: ${name}`,
        KINDS.map((kind) => count[kind]),
      )}\n`,
    );
  };
  await tell("first");
  await tell("nothing changed");
  if (lock === "") continue;
  const client = s3Client(store);
  await client.send(new DeleteObjectCommand({ Bucket: bucket, Key: join("backups", LAST_EXTENDED) }));
  client.destroy();
  await tell("nothing changed, locks are extended");
}
