import { createHmac, randomBytes } from "node:crypto";
import { AppError } from "../errors.ts";
import type { StorageLocation } from "../storage/location.ts";
import { PART_NAME, type PartName } from "./ids.ts";

/** Bytes of a text's hash, and of a whole name. */
export const HASH_BYTES = 32;
export const NAME_BYTES = 40;

/**
 * A name for an object that is about to be written, never given before and never again: whatever still deletes older
 * objects of the same text, and whatever an unread index says of them, concerns another key.
 * @param nameHash `nameHashOf` its text
 */
export function newPartName(nameHash: string): PartName {
  const name = `${nameHash}-${randomBytes(NAME_BYTES - HASH_BYTES).toString("hex")}`;
  if (!PART_NAME.test(name))
    throw new AppError("unexpected", `name a part: ${nameHash} is no hash of a text`);
  return name as PartName;
}

/**
 * What the first half of a name is for a text: its hash; where objects are sealed an HMAC of that, so that whoever sees
 * the names cannot tell whether a text that they can think of is there.
 */
export function nameHashOf({ seal }: StorageLocation, textHash: string): string {
  if (seal === undefined) return textHash;
  return createHmac("sha256", Buffer.from(seal.namingKey, "hex")).update(textHash, "hex").digest("hex");
}

/** The first half of a name: `nameHashOf` the text of a part or part list, its SHA-256 where nothing is sealed. */
export function textHashOf(name: PartName): string {
  return name.slice(0, 2 * HASH_BYTES);
}

export function packName(name: PartName): Buffer {
  return Buffer.from(textHashOf(name) + name.slice(2 * HASH_BYTES + 1), "hex");
}

export function unpackName(packed: Buffer): PartName {
  return `${packed.toString("hex", 0, HASH_BYTES)}-${packed.toString("hex", HASH_BYTES)}` as PartName;
}
