import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";
import type { ObjectStore } from "./ceph.ts";

/** The one that all tests share; each has a prefix of its own in it. */
export const SHARED_BUCKET = "handled-tests";

/** A client of the tests' own, to do what the program never does, and to see what lies in a bucket. */
export function s3Client({ endpoint, accessKey, secretKey }: ObjectStore): S3Client {
  return new S3Client({
    endpoint,
    region: "us-east-1",
    forcePathStyle: true,
    credentials: { accessKeyId: accessKey, secretAccessKey: secretKey },
  });
}

export async function makeBucket(store: ObjectStore, bucket: string, locking = false): Promise<void> {
  const client = s3Client(store);
  await client.send(new CreateBucketCommand({ Bucket: bucket, ObjectLockEnabledForBucket: locking }));
  client.destroy();
}
