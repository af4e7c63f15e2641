import { isAppError } from "../errors.ts";
import { placeOfKey } from "../storage/location.ts";
import type { Storage } from "../storage/storage.ts";
import { databaseFolder, leaseKey, leaseNumber } from "./layout.ts";
import { LeaseFile } from "./manifest.ts";
import { parseVersioned } from "./parse.ts";

/** A lease as it was read. */
export interface LeaseState {
  readonly n: number;
  /** The stored text: any change of it is a sign of life, whatever it says. */
  readonly text: string;
  /** Undefined when the text is damaged: then only watching tells whether somebody holds it. */
  readonly file: LeaseFile | undefined;
}

/** The lease that holds: the one with the highest number, given back or not; undefined when there never was one. */
export async function highestLease(
  storage: Storage,
  database: string,
  signal: AbortSignal,
): Promise<LeaseState | undefined> {
  for (;;) {
    const n = Math.max(0, ...(await leaseNumbers(storage, database, signal)));
    if (n === 0) return undefined;
    const data = await getIfThere(storage, leaseKey(database, n), signal);
    // Superseded and removed between the two calls: there is a higher one now.
    if (data === undefined) continue;
    return {
      n,
      text: data.toString("utf8"),
      file: parseLease(data, placeOfKey(storage.place, leaseKey(database, n))),
    };
  }
}

/** The numbers of the leases below `n`. */
export async function olderLeases(
  storage: Storage,
  database: string,
  n: number,
  signal: AbortSignal,
): Promise<number[]> {
  return (await leaseNumbers(storage, database, signal)).filter((other) => other < n);
}

async function leaseNumbers(storage: Storage, database: string, signal: AbortSignal): Promise<number[]> {
  const numbers: number[] = [];
  for await (const { key } of storage.list(databaseFolder(database), "here", signal)) {
    const n = leaseNumber(key);
    if (n !== undefined) numbers.push(n);
  }
  return numbers;
}

async function getIfThere(storage: Storage, key: string, signal: AbortSignal): Promise<Buffer | undefined> {
  try {
    return await storage.get(key, signal);
  } catch (error) {
    if (isAppError(error, "object_missing")) return undefined;
    throw error;
  }
}

function parseLease(data: Buffer, what: string): LeaseFile | undefined {
  try {
    return parseVersioned(LeaseFile, data, what);
  } catch (error) {
    if (isAppError(error, "backup_damaged")) return undefined;
    throw error;
  }
}
