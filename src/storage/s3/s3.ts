import { AppError } from "../../errors.ts";
import { mapBounded } from "../../lib/concurrency.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { checkKey, checkPrefix, checkSibling } from "../keys.ts";
import type { StorageLocation } from "../location.ts";
import { observed } from "../observed.ts";
import type { Storage } from "../storage.ts";
import { bucketAsOf } from "./as-of.ts";
import { connectS3 } from "./connection.ts";
import { Listing } from "./listing.ts";
import { NewObjects } from "./new-objects.ts";
import { parseS3Url } from "./place.ts";
import { openObject } from "./read-stream.ts";
import { Requests } from "./requests.ts";
import { protectionOf, Retention } from "./retention.ts";
import { S3StagedObject } from "./staged-object.ts";
import { findStrays, sweepBucket } from "./sweep.ts";
import { temporaryKey } from "./temporary-keys.ts";

// Enough to hide the latency, few enough for any server.
const PARALLEL = 32;
// A listing gives a thousand objects in the time of one look, and costs as much as ten.
const LIST_FROM = 10;

/** A bucket of an object store that speaks S3, or what is under a prefix of it. Nothing is touched until the first call. */
export function openS3(runtime: Runtime, location: StorageLocation): Storage {
  return observed(bucketStorage(runtime, location), runtime.observer);
}

function bucketStorage(runtime: Runtime, location: StorageLocation): Storage {
  const place = parseS3Url(location.url);
  const lock = location.lock ?? place.lock;
  const connection = connectS3(runtime, place, location.keys);
  const retention = new Retention(connection, lock);
  const requests = new Requests(connection, retention);
  if (location.asOf !== undefined) return bucketAsOf(connection, requests, location, location.asOf);
  const newObjects = new NewObjects(connection, requests);
  const listing = new Listing(connection);
  const whole = (key: string, signal: AbortSignal): string => {
    checkKey(key);
    signal.throwIfAborted();
    return place.prefix + key;
  };
  const folder = (prefix: string, signal: AbortSignal): string => {
    checkPrefix(prefix);
    signal.throwIfAborted();
    return prefix;
  };
  return {
    place: place.url,
    location: { url: place.url, keys: location.keys, lock },
    locks: retention.locks,
    protection: async (signal) => await protectionOf(connection, signal),

    async stage(key, signal) {
      const staged = { key: whole(key, signal), temporary: place.prefix + temporaryKey(key) };
      return await Promise.resolve(new S3StagedObject(connection, requests, staged, signal));
    },

    async put(key, data, signal) {
      await requests.put(whole(key, signal), data, signal);
    },

    async putIfAbsent(key, data, signal) {
      return await newObjects.put(whole(key, signal), data, signal);
    },

    get: async (key, signal) => await requests.get(whole(key, signal), signal),

    async getMany(keys, signal) {
      const names = keys.map((key) => whole(key, signal));
      return await mapBounded(names, PARALLEL, async (name) => {
        try {
          return await requests.get(name, signal);
        } catch (error) {
          return orThrow(error, signal);
        }
      });
    },

    open: async (key, signal) => await openObject(requests, whole(key, signal), signal),

    async stat(key, signal) {
      const found = await requests.head(whole(key, signal), signal);
      return found === undefined ? undefined : { key, ...found };
    },

    async sizes(wanted, signal) {
      const keys = [...wanted];
      const names = keys.map((key) => whole(key, signal));
      const sizes = await sizesOfFolders(listing, keys, signal);
      return await mapBounded([...keys.entries()], PARALLEL, async ([at, key]) => {
        const known = sizes.get(key.slice(0, key.lastIndexOf("/") + 1));
        if (known !== undefined) return known.get(key);
        return (await requests.head(names[at] ?? "", signal))?.size;
      });
    },

    async *list(prefix, depth, signal) {
      yield* listing.objects(folder(prefix, signal), depth, signal);
    },

    keys: async (prefix, depth, signal) => await listing.keys(folder(prefix, signal), depth, signal),

    folders: async (prefix, signal) => await listing.folders(folder(prefix, signal), signal),

    async delete(key, signal) {
      await requests.delete(whole(key, signal), signal);
    },

    async link(key, target, signal) {
      if (target !== undefined) checkSibling(key, target);
      if ((await requests.head(whole(key, signal), signal)) === undefined) return false;
      throw new AppError(
        "object_exists",
        `link ${requests.nameOf(place.prefix + key)}: it is an object of its own`,
      );
    },

    async sweep(prefix, signal) {
      return await sweepBucket(runtime, { connection, requests, listing }, folder(prefix, signal), signal);
    },

    async strays(prefix, signal) {
      const bucket = { connection, requests, listing };
      const { keys, uploads } = await findStrays(runtime, bucket, folder(prefix, signal), signal);
      return keys.length + uploads.length;
    },

    async freeBytes(signal) {
      signal.throwIfAborted();
      return await Promise.resolve(undefined);
    },
  };
}

/** Sizes by key, for each folder that so many of the keys lie in that listing it is cheaper. */
async function sizesOfFolders(
  listing: Listing,
  keys: readonly string[],
  signal: AbortSignal,
): Promise<Map<string, Map<string, number>>> {
  const wanted = Map.groupBy(keys, (key) => key.slice(0, key.lastIndexOf("/") + 1));
  const many = [...wanted].filter(([, inside]) => inside.length >= LIST_FROM);
  const listed = await mapBounded(many, PARALLEL, async ([prefix, inside]) => {
    const asked = new Set(inside);
    const sizes = new Map<string, number>();
    for await (const { key, size } of listing.objects(prefix, "here", signal)) {
      if (asked.has(key)) sizes.set(key, size);
    }
    return [prefix, sizes] as const;
  });
  return new Map(listed);
}

const OF_ALL = new Set<string>(["repository_unreachable", "bucket_missing"]);

/** In the place of an object that cannot be read stands why not, unless the reason is none of its own. */
function orThrow(error: unknown, signal: AbortSignal): AppError {
  signal.throwIfAborted();
  if (error instanceof AppError && !OF_ALL.has(error.code)) return error;
  throw error;
}
