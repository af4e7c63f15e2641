import { type Clock, systemClock } from "../../src/lib/clock.ts";
import { openStorage } from "../../src/storage/open.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { buryHolders } from "./bury-holders.ts";
import { type CliResult, jsonOf, runCli } from "./cli.ts";
import { type Fate, type HttpProxy, httpProxy, type Passing } from "./http-proxy.ts";
import { freshBucket, objectsIn, objectStore, s3Environment } from "./object-store.ts";
import { type FreshDatabase, freshDatabase } from "./postgres.ts";
import { noAbort, testRuntime } from "./runtime.ts";

// The longest pause between two attempts; whatever waits longer (a lease) does so in earnest.
const LONGEST_PAUSE_MS = 5000;

/** A database, and a bucket for its backups that can be reached straight, and through a proxy that disturbs. */
export interface DisturbedShop extends AsyncDisposable {
  readonly live: FreshDatabase;
  readonly proxy: HttpProxy;
  /** The bucket, straight. */
  readonly storage: Storage;
  /** Runs a command on the bucket: through the proxy, or straight. */
  run(way: "disturbed" | "straight", args: readonly string[], clock?: Clock): Promise<CliResult>;
  /** The ids of the backups that `list` shows, newest first. */
  listed(): Promise<string[]>;
  objects(): Promise<string[]>;
  empty(): Promise<void>;
  /** As if the process whose runs failed had ended. */
  bury(): Promise<void>;
}

export async function disturbedShop(sql: string, fate: (passing: Passing) => Fate): Promise<DisturbedShop> {
  const signal = noAbort();
  const store = await objectStore();
  const location = await freshBucket();
  const storage = openStorage(testRuntime(), location);
  const live = await freshDatabase({ sql });
  const proxy = await httpProxy(store.endpoint, fate);
  const run: DisturbedShop["run"] = async (way, args, clock = systemClock) => {
    const url = way === "straight" ? location.url : location.url.replace(store.endpoint, proxy.endpoint);
    return await runCli([...args, "--url", live.url, "--repository", url, "--json"], {
      env: s3Environment(location),
      clock,
    });
  };
  return {
    live,
    proxy,
    storage,
    run,
    listed: async () => {
      const { databases } = jsonOf(await run("straight", ["list"])) as {
        databases: { backups: { id: string }[] }[];
      };
      return databases.flatMap(({ backups }) => backups.map(({ id }) => id));
    },
    objects: () => objectsIn(location),
    empty: async () => {
      for (const key of await storage.keys("", "all", signal)) await storage.delete(key, signal);
    },
    bury: async () => await buryHolders(storage, signal),
    [Symbol.asyncDispose]: async () => {
      await proxy[Symbol.asyncDispose]();
      await live[Symbol.asyncDispose]();
    },
  };
}

/** A clock that does not wait between two attempts at a request, and counts as if it had. */
export function impatient(): Clock {
  let skipped = 0;
  return {
    now: () => systemClock.now(),
    monotonic: () => systemClock.monotonic() + skipped,
    wait: async (ms, waitSignal) => {
      if (ms > LONGEST_PAUSE_MS) {
        await systemClock.wait(ms, waitSignal);
        return;
      }
      skipped += ms;
      await systemClock.wait(0, waitSignal);
    },
  };
}
