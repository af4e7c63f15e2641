import type { LockSettings } from "./locks.ts";

/** Where a storage is, as data: what a strategy or a command line says, and what a thread needs to open it again. */
export interface StorageLocation {
  /** A folder or a URL; holds no secret. */
  readonly url: string;
  /** Of an object store. Undefined: what the environment or the profile has. */
  readonly keys?: AccessKeys | undefined;
  /** Further places that hold the same objects. */
  readonly others?: readonly StorageLocation[] | undefined;
  /** What seals and opens the objects there, where they are sealed: a secret. */
  readonly seal?: SealKeys | undefined;
  /** How what is written to a bucket is locked; undefined: as its URL says, or not. */
  readonly lock?: LockSettings | undefined;
  /** The moment as of which a bucket is read; nothing can be written then. */
  readonly asOf?: Date | undefined;
}

/** Keys as text, so that they can be handed to a thread. */
export interface SealKeys {
  /** `age1…`: everything is sealed to them. */
  readonly recipients: readonly string[];
  /** `age1…`: what whoever writes backups has to read again is sealed to them too. */
  readonly hosts: readonly string[];
  /** Whether some objects may still be sealed to others. */
  readonly mixed: boolean;
  /** `AGE-SECRET-KEY-1…`: those that are known here. */
  readonly identities: readonly string[];
  /** Under which parts are named, in hexadecimal. */
  readonly namingKey: string;
}

/** A pair of keys as object stores give them out. */
export interface AccessKeys {
  readonly accessKey: string;
  readonly secretKey: string;
}

/** An object as a person would name it: `/var/backups/handled/data/x.sql.gz`, `s3://bucket/data/x.sql.gz?region=…`. */
export function placeOfKey(place: string, key: string): string {
  const parameters = /^s3:/i.test(place) ? place.indexOf("?") : -1;
  if (parameters < 0) return `${place}/${key}`;
  return `${place.slice(0, parameters)}/${key}${place.slice(parameters)}`;
}
