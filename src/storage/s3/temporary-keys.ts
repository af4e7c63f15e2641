import { temporaryName, isTemporaryName } from "../../lib/durable.ts";

const BEGINNING = ".handled-";

/**
 * A key under which an object lies until it is published. Always in the top folder of its key, so that all of them are
 * found with one request, however many objects lie below.
 */
export function temporaryKey(key: string): string {
  return temporaryName(`${topFolder(key)}x`);
}

export function isTemporaryKey(key: string): boolean {
  return isTemporaryName(key.slice(key.lastIndexOf("/") + 1));
}

/**
 * What the temporary keys of objects under a prefix begin with; undefined where there can be none: what lies deeper than the
 * first folder has its temporary keys in that.
 */
export function temporaryPrefix(prefix: string): string | undefined {
  return topFolder(prefix) === prefix ? `${prefix}${BEGINNING}` : undefined;
}

/** The first segment of a key with its `/`, or empty where it has only one. */
function topFolder(key: string): string {
  return key.slice(0, key.indexOf("/") + 1);
}
