// Apart from the schemas of manifests, which load a library: threads that only move rows need the names alone.

export const BACKUP_ID = /^\d{8}T\d{6}Z-[0-9a-f]{4}$/;
export type BackupId = string & { readonly __brand: "BackupId" };

/**
 * Name of a part or part list: SHA-256 of its text, `-`, and 16 random hexadecimal digits. The second half makes each key
 * one that is written once: whoever still means to delete an old object of the same text cannot meet a new one.
 */
export type PartName = string & { readonly __brand: "PartName" };
export const PART_NAME = /^[0-9a-f]{64}-[0-9a-f]{16}$/;

/** The second in which the backup of an id began, in milliseconds since 1970. */
export function secondOf(id: string): number {
  const [date, hour, minute, second] = [id.slice(0, 8), id.slice(9, 11), id.slice(11, 13), id.slice(13, 15)];
  return Date.parse(`${date.slice(0, 4)}-${date.slice(4, 6)}-${date.slice(6)}T${hour}:${minute}:${second}Z`);
}
