import type { Readable } from "node:stream";
import type { AppError } from "../errors.ts";
import type { StorageLocation } from "./location.ts";
import type { Others } from "./others.ts";
import type { ObjectLocks, Protection } from "./locks.ts";

export interface StoredObject {
  readonly key: string;
  /** Bytes. */
  readonly size: number;
  readonly modified: Date;
}

/**
 * An object that is being written under a temporary name. Nothing of it is visible under its key until `publish` or
 * `replace` returned. Disposing one that was not published removes what was written.
 */
export interface StagedObject extends AsyncDisposable {
  /** Before the first write: how many bytes will come at most, as far as anybody can tell. A place may plan with it. */
  expect(bytes: number): void;
  /** Appends a chunk; resolves when the storage can take the next one, and the caller may use its memory again. */
  write(chunk: Uint8Array): Promise<void>;
  /**
   * Makes what was written durable, still under the temporary name. Returns its size in bytes. What a place can publish
   * whole in one request it may hold in memory until then.
   */
  finish(): Promise<number>;
  /** Reads the finished bytes back from where they will stay, not from a buffer. */
  read(signal: AbortSignal): Promise<Readable>;
  /** Once finished, where it lies sealed: size and SHA-256 of what follows its header, which may be written anew. */
  readonly stored?: { readonly size: number; readonly sha256: string } | undefined;
  /** Gives the object its key, durably. Fails with `object_exists` when the key is taken: nothing is overwritten. */
  publish(): Promise<void>;
  /** The same, and in one step in place of what has the key, if anything has: readers find the one or the other. */
  replace(): Promise<void>;
}

/**
 * Moves bytes to and from one place (a folder, a bucket). It does not know what they mean. Keys are relative,
 * `/`-separated, without empty, `.` or `..` segments. Errors are AppErrors: `object_missing`, `object_exists`,
 * `space_missing`, `repository_unusable`; of a bucket also `bucket_missing` and `repository_unreachable`. Every method
 * observes its signal.
 */
export interface Storage {
  /** The place as a person would name it: `/var/backups/handled`. Holds no secret. */
  readonly place: string;
  /** What opens it again in a thread; may hold a secret. */
  readonly location: StorageLocation;
  /** Of one that is read only: where else its objects are. */
  readonly others?: Others | undefined;
  /** The moment as of which the place is read; nothing can be written then. */
  readonly asOf?: Date | undefined;
  /** Where objects are locked. */
  readonly locks?: ObjectLocks | undefined;
  /** Where something keeps deleted and overwritten objects, or could: how well it does. */
  readonly protection?: ((signal: AbortSignal) => Promise<Protection>) | undefined;
  /** Starts writing an object of any size. */
  stage(key: string, signal: AbortSignal): Promise<StagedObject>;
  /** Writes a small object whole and durably; an existing one is replaced in one step. */
  put(key: string, data: Uint8Array, signal: AbortSignal): Promise<void>;
  /** Writes a small object whole and durably unless the key is taken; says whether it was this call that made it. */
  putIfAbsent(key: string, data: Uint8Array, signal: AbortSignal): Promise<boolean>;
  /** Reads a small object whole. */
  get(key: string, signal: AbortSignal): Promise<Buffer>;
  /** Reads many small objects whole, in the order of the keys; in the place of one that cannot be read stands why not. */
  getMany(keys: readonly string[], signal: AbortSignal): Promise<(Buffer | AppError)[]>;
  /** Opens an object of any size for reading. The caller consumes or destroys the stream. */
  open(key: string, signal: AbortSignal): Promise<Readable>;
  /** The object's size and time, or undefined when there is none. */
  stat(key: string, signal: AbortSignal): Promise<StoredObject | undefined>;
  /**
   * Sizes of many objects in bytes, in the order of the keys; undefined in the place of one that is not there. Keys are taken
   * one by one, so that those of a place that needs only one at a time are garbage at once. A place that
   * lists a thousand objects in the time it looks at one should list the folders that many of the keys lie in.
   */
  sizes(keys: Iterable<string>, signal: AbortSignal): Promise<(number | undefined)[]>;
  /**
   * Objects under `prefix` (a whole number of segments ending in `/`, or empty), in no certain order:
   * `all` goes into subfolders, `here` gives only those whose key has no further segment.
   */
  list(prefix: string, depth: "all" | "here", signal: AbortSignal): AsyncIterable<StoredObject>;
  /**
   * The keys that `list` gives, without looking at each object: for a folder of thousands of small files that is what
   * takes the time. All of them are held in memory.
   */
  keys(prefix: string, depth: "all" | "here", signal: AbortSignal): Promise<string[]>;
  /** The names of the folders directly under `prefix`, sorted. Links to folders count, for they can be listed into. */
  folders(prefix: string, signal: AbortSignal): Promise<string[]>;
  /** Removes an object durably. One that is not there is no error: a delete that was cut off can be repeated. */
  delete(key: string, signal: AbortSignal): Promise<void>;
  /**
   * Makes `key` a link to the object with the key `target` in the same folder, or removes the link. False where the
   * place has no links; `object_exists` when `key` is an object of its own. `list` leaves links out.
   */
  link(key: string, target: string | undefined, signal: AbortSignal): Promise<boolean>;
  /**
   * Removes what crashed writers left under `prefix` under temporary names, and folders left empty; returns how many
   * files. Only under the lease.
   */
  sweep(prefix: string, signal: AbortSignal): Promise<number>;
  /** How many files `sweep` would remove now. Those of a running writer count too. */
  strays(prefix: string, signal: AbortSignal): Promise<number>;
  /** Bytes that can still be written here, or undefined where nobody knows. */
  freeBytes(signal: AbortSignal): Promise<number | undefined>;
}
