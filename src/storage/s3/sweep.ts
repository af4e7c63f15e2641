import type { Runtime } from "../../lib/runtime.ts";
import { mapBounded } from "../../lib/concurrency.ts";
import type { Connection } from "./connection.ts";
import type { Listing } from "./listing.ts";
import { abortUpload } from "./multipart.ts";
import type { Requests } from "./requests.ts";
import { isTemporaryKey, temporaryPrefix } from "./temporary-keys.ts";

const PARALLEL = 8;
// A copy to a final key takes minutes. What is older under a key that is not ours beyond doubt may be somebody's own
// upload, so it gets much longer than that.
const ABANDONED_AFTER_MS = 2 * 86_400_000;

interface Bucket {
  readonly connection: Connection;
  readonly requests: Requests;
  readonly listing: Listing;
}

/** Removes temporary objects and uploads that were never completed; returns how many. */
export async function sweepBucket(
  runtime: Runtime,
  bucket: Bucket,
  prefix: string,
  signal: AbortSignal,
): Promise<number> {
  const { connection, requests } = bucket;
  const { keys, uploads } = await findStrays(runtime, bucket, prefix, signal);
  await mapBounded(keys, PARALLEL, (key) => requests.delete(connection.place.prefix + key, signal));
  await mapBounded(uploads, PARALLEL, ({ key, id }) => abortUpload(connection, requests, key, id, signal));
  return keys.length + uploads.length;
}

/** What `sweepBucket` removes. */
export async function findStrays(
  runtime: Runtime,
  { connection, listing }: Bucket,
  prefix: string,
  signal: AbortSignal,
): Promise<{ readonly keys: readonly string[]; readonly uploads: readonly Upload[] }> {
  const root = connection.place.prefix;
  const beginnings = (
    prefix === "" ? ["", ...(await listing.folders("", signal)).map((name) => `${name}/`)] : [prefix]
  ).flatMap((folder) => temporaryPrefix(folder) ?? []);
  const found = await mapBounded(beginnings, PARALLEL, (beginning) =>
    listing.keysBeginning(beginning, signal),
  );
  const keys = found.flat().filter(isTemporaryKey);
  const uploads = (await listUploads(connection, `${root}${prefix}`, signal)).filter(
    ({ key, begun }) =>
      isTemporaryKey(key) || runtime.clock.now().getTime() - begun.getTime() > ABANDONED_AFTER_MS,
  );
  return { keys, uploads };
}

interface Upload {
  readonly key: string;
  readonly id: string;
  readonly begun: Date;
}

/** MinIO tells only those of one whole key, that is none here; it removes stale ones by itself after a day. */
async function listUploads(connection: Connection, prefix: string, signal: AbortSignal): Promise<Upload[]> {
  const { bucket } = connection.place;
  const uploads: Upload[] = [];
  for (let marker: { KeyMarker: string; UploadIdMarker: string } | undefined, more = true; more; ) {
    const input = { Bucket: bucket, Prefix: prefix, ...marker };
    const page = await connection.ask(
      `list uploads under s3://${bucket}/${prefix}`,
      signal,
      ({ client, sdk, options }) => client.send(new sdk.ListMultipartUploadsCommand(input), options),
    );
    for (const { Key = "", UploadId = "", Initiated = new Date(0) } of page.Uploads ?? []) {
      uploads.push({ key: Key, id: UploadId, begun: Initiated });
    }
    more = page.IsTruncated === true && page.NextKeyMarker !== undefined;
    marker = { KeyMarker: page.NextKeyMarker ?? "", UploadIdMarker: page.NextUploadIdMarker ?? "" };
  }
  return uploads;
}
