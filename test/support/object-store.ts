import { ListObjectsV2Command } from "@aws-sdk/client-s3";
import { inject } from "vitest";
import type { AccessKeys, StorageLocation } from "../../src/storage/location.ts";
import type { ObjectStore } from "./ceph.ts";
import { demand } from "./on-demand.ts";
import { uniqueName } from "./postgres.ts";
import { parseS3Url } from "../../src/storage/s3/place.ts";
import { makeBucket, s3Client, SHARED_BUCKET } from "./s3-client.ts";

/** A place in the object store that the whole run shares, which starts when the first test asks for it. */
export async function objectStore(): Promise<ObjectStore> {
  return await demand<ObjectStore>(inject("objectStore"));
}

export interface BucketOptions {
  /** Default: the one that all tests share. */
  readonly bucket?: string;
  /** Where requests go, when not straight to the server: a proxy. */
  readonly endpoint?: string;
}

/** A bucket and the keys it is opened with. */
export type BucketLocation = StorageLocation & { readonly keys: AccessKeys };

/** A new prefix in a bucket that is there. Nobody removes what lies in it: it is gone with the server. */
export async function freshBucket(options: BucketOptions = {}): Promise<BucketLocation> {
  const store = await objectStore();
  const bucket = options.bucket ?? SHARED_BUCKET;
  return {
    url: s3Url({ ...store, endpoint: options.endpoint ?? store.endpoint }, `${bucket}/${uniqueName("p")}`),
    keys: { accessKey: store.accessKey, secretKey: store.secretKey },
  };
}

/** A new bucket that can lock objects, and so keeps every version. */
export async function lockingBucket(options: Omit<BucketOptions, "bucket"> = {}): Promise<BucketLocation> {
  const bucket = uniqueName("locking").replaceAll("_", "-");
  await makeBucket(await objectStore(), bucket, true);
  return await freshBucket({ ...options, bucket });
}

export function s3Url({ endpoint }: Pick<ObjectStore, "endpoint">, path: string): string {
  return `s3://${path}?endpoint=${endpoint}&region=us-east-1`;
}

/** The keys of all that lies in a place, as the server tells them. */
export async function objectsIn(location: StorageLocation): Promise<string[]> {
  const client = s3Client(await objectStore());
  const { bucket: Bucket, prefix: Prefix } = parseS3Url(location.url);
  const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket, Prefix }));
  client.destroy();
  return Contents.map(({ Key = "" }) => Key.slice(Prefix.length));
}

/** Variables with which a command line finds the keys. */
export function s3Environment({ keys }: BucketLocation): Record<string, string> {
  return { AWS_ACCESS_KEY_ID: keys.accessKey, AWS_SECRET_ACCESS_KEY: keys.secretKey };
}
