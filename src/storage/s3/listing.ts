import { mapBounded } from "../../lib/concurrency.ts";
import { isKey } from "../keys.ts";
import type { StoredObject } from "../storage.ts";
import type { Connection } from "./connection.ts";
import { isTemporaryKey } from "./temporary-keys.ts";

// Enough to hide the latency, few enough for any server.
const PARALLEL = 16;
// More folders than this are quicker listed all in one go, a thousand objects at a time.
const MOST_FOLDERS = 512;

interface Page {
  readonly objects: readonly StoredObject[];
  /** Whole prefixes of the folders, each with its final `/`. */
  readonly folders: readonly string[];
  readonly next: string | undefined;
}

/** Lists a bucket from a prefix on. Keys in and out are relative to the place's prefix. */
export class Listing {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Objects, temporary ones left out. */
  async *objects(prefix: string, depth: "all" | "here", signal: AbortSignal): AsyncGenerator<StoredObject> {
    for await (const { objects } of this.#pages(prefix, depth, signal)) {
      yield* objects.filter(({ key }) => isKey(key) && !isTemporaryKey(key));
    }
  }

  /** Keys as `objects` gives them. Many folders are listed side by side. */
  async keys(prefix: string, depth: "all" | "here", signal: AbortSignal): Promise<string[]> {
    const first = await this.#page(prefix, depth, undefined, signal);
    if (first.next === undefined || depth === "here") {
      return await this.#collect(prefix, depth, signal, first);
    }
    const folders = await this.folders(prefix, signal);
    if (folders.length < 2 || folders.length > MOST_FOLDERS) {
      return await this.#collect(prefix, depth, signal, first);
    }
    const here = await this.#collect(prefix, "here", signal);
    const below = await mapBounded(folders, PARALLEL, (name) =>
      this.#collect(`${prefix}${name}/`, "all", signal),
    );
    return [here, ...below].flat();
  }

  /** Names of the folders directly under the prefix, sorted. */
  async folders(prefix: string, signal: AbortSignal): Promise<string[]> {
    const names: string[] = [];
    for await (const { folders } of this.#pages(prefix, "here", signal)) {
      names.push(...folders.map((folder) => folder.slice(prefix.length, -1)));
    }
    return names.filter(isKey).toSorted();
  }

  /** Every key that begins so, temporary ones too. */
  async keysBeginning(beginning: string, signal: AbortSignal): Promise<string[]> {
    const keys: string[] = [];
    for await (const { objects } of this.#pages(beginning, "here", signal)) {
      keys.push(...objects.map(({ key }) => key));
    }
    return keys;
  }

  async #collect(
    prefix: string,
    depth: "all" | "here",
    signal: AbortSignal,
    first?: Page,
  ): Promise<string[]> {
    const keys: string[] = [];
    for await (const { objects } of this.#pages(prefix, depth, signal, first)) {
      for (const { key } of objects) if (isKey(key) && !isTemporaryKey(key)) keys.push(key);
    }
    return keys;
  }

  async *#pages(
    beginning: string,
    depth: "all" | "here",
    signal: AbortSignal,
    first?: Page,
  ): AsyncGenerator<Page> {
    let page = first ?? (await this.#page(beginning, depth, undefined, signal));
    yield page;
    while (page.next !== undefined) {
      signal.throwIfAborted();
      page = await this.#page(beginning, depth, page.next, signal);
      yield page;
    }
  }

  async #page(
    beginning: string,
    depth: "all" | "here",
    token: string | undefined,
    signal: AbortSignal,
  ): Promise<Page> {
    const { bucket, prefix: root } = this.#connection.place;
    const input = {
      Bucket: bucket,
      Prefix: `${root}${beginning}`,
      ...(depth === "here" ? { Delimiter: "/" } : {}),
      ...(token === undefined ? {} : { ContinuationToken: token }),
    };
    const what = `list s3://${bucket}/${root}${beginning}`;
    return await this.#connection.ask(what, signal, async ({ client, sdk, options }) => {
      const found = await client.send(new sdk.ListObjectsV2Command(input), options);
      return {
        objects: (found.Contents ?? []).map(({ Key = "", Size = 0, LastModified = new Date(0) }) => ({
          key: Key.slice(root.length),
          size: Size,
          modified: LastModified,
        })),
        folders: (found.CommonPrefixes ?? []).map(({ Prefix = "" }) => Prefix.slice(root.length)),
        next: found.IsTruncated === true ? found.NextContinuationToken : undefined,
      };
    });
  }
}
