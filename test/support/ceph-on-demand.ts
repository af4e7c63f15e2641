import { once } from "node:events";
import { createServer } from "node:http";
import { messageOf } from "../../src/errors.ts";
import { type ObjectStore, startCeph } from "./ceph.ts";
import { clusterFolder } from "./cluster-folder.ts";
import { makeBucket, SHARED_BUCKET } from "./s3-client.ts";

/** An address that answers with an object store, which it starts when it is asked for the first time. */
export async function cephOnDemand(): Promise<{ readonly url: string } & AsyncDisposable> {
  let starting: Promise<ObjectStore & AsyncDisposable> | undefined;
  const start = async (): Promise<ObjectStore & AsyncDisposable> => {
    const store = await startCeph(await clusterFolder());
    await makeBucket(store, SHARED_BUCKET);
    return store;
  };
  const server = createServer((_, response) => {
    starting ??= start();
    starting.then(
      ({ endpoint, accessKey, secretKey }) =>
        response.end(JSON.stringify({ endpoint, accessKey, secretKey })),
      (error: unknown) => response.writeHead(500).end(messageOf(error)),
    );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the address has no port");
  return {
    url: `http://127.0.0.1:${address.port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await (await starting?.catch(() => undefined))?.[Symbol.asyncDispose]();
    },
  };
}
