import type { ObjectVersion } from "@aws-sdk/client-s3";
import { isKey } from "../keys.ts";
import type { Connection } from "./connection.ts";
import { isTemporaryKey } from "./temporary-keys.ts";

/** One version of an object, or that it was deleted. */
export interface Version {
  /** Whole. */
  readonly key: string;
  readonly id: string | undefined;
  /** By the server's clock. */
  readonly at: Date;
  /** Bytes. */
  readonly size: number;
  readonly deleted: boolean;
}

/** All versions of one object, newest first. */
export async function versionsOf(
  connection: Connection,
  key: string,
  signal: AbortSignal,
): Promise<readonly Version[]> {
  for await (const versions of listVersions(connection, key, "here", signal)) {
    if (versions.at(0)?.key === key) return versions;
    // Keys come sorted, and one that begins with this one comes after it.
    return [];
  }
  return [];
}

/** The newest version of each that was there at a moment; what had been deleted by then is left out. */
export async function* versionsAt(
  connection: Connection,
  place: { readonly beginning: string; readonly depth: "all" | "here" },
  asOf: Date,
  signal: AbortSignal,
): AsyncGenerator<Version> {
  for await (const versions of listVersions(connection, place.beginning, place.depth, signal)) {
    const found = newestAt(versions, asOf);
    const key = found?.key.slice(connection.place.prefix.length) ?? "";
    if (found !== undefined && isKey(key) && !isTemporaryKey(key)) yield found;
  }
}

/** Undefined when there was none, or it was deleted. */
export function newestAt(versions: readonly Version[], asOf: Date): Version | undefined {
  const newest = versions.find(({ at }) => at <= asOf);
  return newest?.deleted === true ? undefined : newest;
}

/** Prefixes of the folders directly below one, in which there was ever anything. */
export async function foldersEver(
  connection: Connection,
  prefix: string,
  signal: AbortSignal,
): Promise<string[]> {
  const folders: string[] = [];
  for await (const page of pages(connection, prefix, "here", signal)) folders.push(...page.folders);
  return folders;
}

/** The versions of each key that begins so, newest first, key by key. */
async function* listVersions(
  connection: Connection,
  beginning: string,
  depth: "all" | "here",
  signal: AbortSignal,
): AsyncGenerator<Version[]> {
  let held: Version[] = [];
  for await (const { versions } of pages(connection, beginning, depth, signal)) {
    // A key's versions and its deletions come in two lists of one page, each newest first.
    for (const [key, ofPage] of Map.groupBy(versions, (version) => version.key)) {
      if (held.length > 0 && held[0]?.key !== key) {
        yield held;
        held = [];
      }
      held.push(...ofPage);
    }
  }
  if (held.length > 0) yield held;
}

interface Page {
  readonly versions: readonly Version[];
  readonly folders: readonly string[];
}

async function* pages(
  connection: Connection,
  beginning: string,
  depth: "all" | "here",
  signal: AbortSignal,
): AsyncGenerator<Page> {
  const { bucket } = connection.place;
  const what = `list versions under s3://${bucket}/${beginning}`;
  for (let marker: { KeyMarker: string; VersionIdMarker?: string } | undefined, more = true; more; ) {
    const input = {
      Bucket: bucket,
      Prefix: beginning,
      ...(depth === "here" ? { Delimiter: "/" } : {}),
      ...marker,
    };
    const page = await connection.ask(what, signal, ({ client, sdk, options }) =>
      client.send(new sdk.ListObjectVersionsCommand(input), options),
    );
    const versions = (page.Versions ?? []).map(({ VersionId, ...each }) => toVersion(each, VersionId, false));
    const deletions = (page.DeleteMarkers ?? []).map(({ VersionId, ...each }) =>
      toVersion(each, VersionId, true),
    );
    yield {
      versions: merge(versions, deletions),
      folders: (page.CommonPrefixes ?? []).map(({ Prefix = "" }) => Prefix),
    };
    more = page.IsTruncated === true && page.NextKeyMarker !== undefined;
    marker = {
      KeyMarker: page.NextKeyMarker ?? "",
      ...(page.NextVersionIdMarker === undefined ? {} : { VersionIdMarker: page.NextVersionIdMarker }),
    };
  }
}

function toVersion(
  { Key = "", LastModified = new Date(0), Size = 0 }: Pick<ObjectVersion, "Key" | "LastModified" | "Size">,
  id: string | undefined,
  deleted: boolean,
): Version {
  return { key: Key, id, at: LastModified, size: Size, deleted };
}

/**
 * Key by key. Inside each list the server's order stays, which of two writes of one moment knows the later; between the two lists
 * there is none but time. Of a version and a deletion of the same moment the version counts as the later.
 */
function merge(versions: readonly Version[], deletions: readonly Version[]): Version[] {
  const ofKey = Map.groupBy(versions, ({ key }) => key);
  const goneOfKey = Map.groupBy(deletions, ({ key }) => key);
  const keys = [...new Set([...ofKey.keys(), ...goneOfKey.keys()])].toSorted((a, b) =>
    Buffer.compare(Buffer.from(a), Buffer.from(b)),
  );
  return keys.flatMap((key) => {
    const there = [...(ofKey.get(key) ?? [])];
    const merged: Version[] = [];
    for (const gone of goneOfKey.get(key) ?? []) {
      for (let next = there[0]; next !== undefined && next.at >= gone.at; next = there[0]) {
        merged.push(next);
        there.shift();
      }
      merged.push(gone);
    }
    return [...merged, ...there];
  });
}
