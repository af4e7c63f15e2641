import { type ObjectStore, startCeph } from "./ceph.ts";
import { clusterFolder } from "./cluster-folder.ts";
import { onDemand } from "./on-demand.ts";
import { makeBucket, SHARED_BUCKET } from "./s3-client.ts";

/** An address that answers with an object store, which it starts when it is asked for the first time. */
export async function cephOnDemand(): Promise<{ readonly url: string } & AsyncDisposable> {
  return await onDemand<ObjectStore>(async () => {
    const store = await startCeph(await clusterFolder());
    await makeBucket(store, SHARED_BUCKET);
    const { endpoint, accessKey, secretKey } = store;
    return {
      made: { endpoint, accessKey, secretKey },
      [Symbol.asyncDispose]: async () => await store[Symbol.asyncDispose](),
    };
  });
}
