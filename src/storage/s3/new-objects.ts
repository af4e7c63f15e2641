import { randomUUID } from "node:crypto";
import { AppError } from "../../errors.ts";
import type { Connection } from "./connection.ts";
import type { Requests } from "./requests.ts";
import { versionsOf } from "./versions.ts";

/**
 * Makes objects whose keys must be new. Leases and indexes stand on that, and a server that does not know the condition says
 * nothing: so the first write of a process is made twice, and the second must be refused. Servers that pass over it only in
 * buckets with versions (Ceph 16 does) are given another rule there: every write leaves a version, and the server puts them
 * into one order that stays; of those since the key was last free the first one wins, and the others are taken back.
 */
export class NewObjects {
  readonly #connection: Connection;
  readonly #requests: Requests;
  #rule: "unknown" | "condition" | "first version" = "unknown";

  constructor(connection: Connection, requests: Requests) {
    this.#connection = connection;
    this.#requests = requests;
  }

  /** Says whether it was this call that made the object. The key is whole. */
  async put(key: string, data: Uint8Array, signal: AbortSignal): Promise<boolean> {
    switch (this.#rule) {
      case "condition":
        return await this.#requests.putNew(key, data, signal);
      case "first version":
        return await this.#putFirstVersion(key, data, signal);
      case "unknown":
        return await this.#putTwice(key, data, signal);
    }
  }

  async #putTwice(key: string, data: Uint8Array, signal: AbortSignal): Promise<boolean> {
    const requests = this.#requests;
    const mark = randomUUID();
    // Locked only when it has won: a locked version could not be taken back.
    const first = await requests.putNewUnlocked(key, data, mark, signal);
    const second = first.made ? await requests.putNewUnlocked(key, data, mark, signal) : first;
    if (!first.made || !second.made) {
      this.#rule = "condition";
      requests.refusesTaken = true;
      if (first.made) await requests.retention.confirm(key, { sure: false, version: first.version }, signal);
      return first.made;
    }
    if (first.version === undefined || second.version === undefined) {
      throw conditionIgnored(this.#connection.place.url);
    }
    this.#rule = "first version";
    requests.refusesTaken = false;
    await requests.deleteVersion(key, second.version, signal);
    return await this.#hasWon(key, first.version, mark, signal);
  }

  async #putFirstVersion(key: string, data: Uint8Array, signal: AbortSignal): Promise<boolean> {
    if ((await this.#requests.head(key, signal)) !== undefined) return false;
    const mark = randomUUID();
    const version = await this.#requests.putUnlocked(key, data, mark, signal);
    if (version === undefined) throw conditionIgnored(this.#connection.place.url);
    return await this.#hasWon(key, version, mark, signal);
  }

  async #hasWon(key: string, version: string, mark: string, signal: AbortSignal): Promise<boolean> {
    let first: string | undefined;
    for (const each of await versionsOf(this.#connection, key, signal)) {
      if (each.deleted) break;
      first = each.id;
    }
    // The first may also be from an attempt of ours whose answer was lost.
    if (first === version || (await this.#requests.markOf(key, first, signal)) === mark) {
      // This version: what another one wrote meanwhile has to go.
      await this.#requests.retention.confirm(key, { sure: false, version: first }, signal);
      return true;
    }
    await this.#requests.deleteVersion(key, version, signal);
    return false;
  }
}

function conditionIgnored(place: string): AppError {
  return new AppError(
    "repository_unusable",
    `write to ${place}: the object store overwrote an object that it was told not to, so two writers could not be kept apart`,
    {
      hint: "use one that knows conditional writes (`If-None-Match`): AWS, R2, MinIO, Spaces and Ceph do in current versions",
    },
  );
}
