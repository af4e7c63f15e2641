import { AppError } from "../../errors.ts";
import { mapBounded } from "../../lib/concurrency.ts";
import { checkKey, checkPrefix } from "../keys.ts";
import type { StorageLocation } from "../location.ts";
import type { Storage, StoredObject } from "../storage.ts";
import type { Connection } from "./connection.ts";
import { openObject } from "./read-stream.ts";
import type { Requests } from "./requests.ts";
import { foldersEver, newestAt, type Version, versionsAt, versionsOf } from "./versions.ts";

const PARALLEL = 32;
// A listing gives a thousand objects in the time of one look.
const LIST_FROM = 10;

/**
 * A bucket as it was at a moment, by the server's own clock: for each key the newest version that was there by then, whatever
 * was written over it or deleted since. Nothing can be written; a writer fails with `usage`.
 */
export function bucketAsOf(
  connection: Connection,
  requests: Requests,
  location: StorageLocation,
  asOf: Date,
): Storage {
  const { place } = connection;
  const whole = (key: string): string => {
    checkKey(key);
    return place.prefix + key;
  };
  const find = async (key: string, signal: AbortSignal): Promise<Version | undefined> => {
    signal.throwIfAborted();
    return newestAt(await versionsOf(connection, whole(key), signal), asOf);
  };
  const require = async (key: string, signal: AbortSignal): Promise<Version> => {
    const found = await find(key, signal);
    if (found !== undefined) return found;
    throw new AppError(
      "object_missing",
      `read ${requests.nameOf(whole(key))}: it was not there at ${asOf.toISOString()}`,
    );
  };
  const get = async (key: string, signal: AbortSignal): Promise<Buffer> =>
    await requests.get(whole(key), signal, (await require(key, signal)).id);
  const list = async function* (
    prefix: string,
    depth: "all" | "here",
    signal: AbortSignal,
  ): AsyncGenerator<StoredObject> {
    checkPrefix(prefix);
    signal.throwIfAborted();
    for await (const found of versionsAt(
      connection,
      { beginning: place.prefix + prefix, depth },
      asOf,
      signal,
    )) {
      yield { key: found.key.slice(place.prefix.length), size: found.size, modified: found.at };
    }
  };
  const refuse = async (): Promise<never> =>
    await Promise.reject(
      new AppError("usage", `write to ${place.url}: it is read as of ${asOf.toISOString()}`, {
        hint: "leave `--as-of` away to work on what is there now",
      }),
    );
  return {
    place: place.url,
    location: { url: place.url, keys: location.keys, asOf },
    asOf,
    stage: refuse,
    put: refuse,
    putIfAbsent: refuse,
    delete: refuse,
    link: refuse,
    sweep: refuse,
    strays: () => Promise.resolve(0),
    get,
    async getMany(keys, signal) {
      return await mapBounded([...keys], PARALLEL, async (key) => {
        try {
          return await get(key, signal);
        } catch (error) {
          signal.throwIfAborted();
          if (error instanceof AppError && error.code === "object_missing") return error;
          throw error;
        }
      });
    },
    async open(key, signal) {
      const { id } = await require(key, signal);
      return await openObject(requests, whole(key), signal, id);
    },
    async stat(key, signal) {
      const found = await find(key, signal);
      return found === undefined ? undefined : { key, size: found.size, modified: found.at };
    },
    async sizes(wanted, signal) {
      const keys = [...wanted];
      const folderOf = (key: string): string => key.slice(0, key.lastIndexOf("/") + 1);
      const folders = [...Map.groupBy(keys, folderOf)].filter(([, inside]) => inside.length >= LIST_FROM);
      const sizes = new Map<string, number>();
      await mapBounded(folders, PARALLEL, async ([folder]) => {
        for await (const { key, size } of list(folder, "here", signal)) sizes.set(key, size);
      });
      const listed = new Set(folders.map(([folder]) => folder));
      return await mapBounded(keys, PARALLEL, async (key) =>
        listed.has(folderOf(key)) ? sizes.get(key) : (await find(key, signal))?.size,
      );
    },
    list,
    async keys(prefix, depth, signal) {
      const keys: string[] = [];
      for await (const { key } of list(prefix, depth, signal)) keys.push(key);
      return keys;
    },
    async folders(prefix, signal) {
      checkPrefix(prefix);
      signal.throwIfAborted();
      const ever = await foldersEver(connection, place.prefix + prefix, signal);
      // A folder is there when anything in it is: what an attacker made since must not show.
      const there = await mapBounded(ever, PARALLEL, async (beginning) => {
        for await (const _ of versionsAt(connection, { beginning, depth: "all" }, asOf, signal)) return true;
        return false;
      });
      return ever
        .filter((_, at) => there[at])
        .map((beginning) => beginning.slice(place.prefix.length + prefix.length, -1))
        .toSorted();
    },
    async freeBytes(signal) {
      signal.throwIfAborted();
      return await Promise.resolve(undefined);
    },
  };
}
