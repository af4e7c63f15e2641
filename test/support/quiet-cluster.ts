import { afterAll, beforeAll } from "vitest";
import type { Cluster } from "../../src/postgres/cluster.ts";
import { type FreshDatabase, type FreshOptions, freshCluster, freshDatabase } from "./postgres.ts";

interface QuietCluster {
  /** Superuser's URL. */
  readonly url: () => string;
  readonly freshDatabase: (options?: FreshOptions) => Promise<FreshDatabase>;
}

/**
 * A cluster of this test file's own. In the shared one another file's test may hold a transaction open: rows written since
 * then may be of a transaction that has not ended, so that they are read where a test expects reuse.
 */
export function quietCluster(): QuietCluster {
  let cluster: Cluster | undefined;
  beforeAll(async () => {
    cluster = await freshCluster({ settings: { autovacuum: "off", shared_buffers: "16MB" } });
  });
  afterAll(async () => await cluster?.[Symbol.asyncDispose]());
  const url = (): string => {
    if (cluster === undefined) throw new Error("the cluster is not there yet");
    return cluster.url();
  };
  return { url, freshDatabase: async (options = {}) => await freshDatabase({ ...options, cluster: url() }) };
}
