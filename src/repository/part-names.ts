import { randomBytes } from "node:crypto";
import { AppError } from "../errors.ts";
import { PART_NAME, type PartName } from "./ids.ts";

/** Bytes of a text's hash, and of a whole name. */
export const HASH_BYTES = 32;
export const NAME_BYTES = 40;

/**
 * A name for an object that is about to be written, never given before and never again: whatever still deletes older
 * objects of the same text, and whatever an unread index says of them, concerns another key.
 * @param textHash SHA-256 of its text, in lower-case hexadecimal
 */
export function newPartName(textHash: string): PartName {
  const name = `${textHash}-${randomBytes(NAME_BYTES - HASH_BYTES).toString("hex")}`;
  if (!PART_NAME.test(name))
    throw new AppError("unexpected", `name a part: ${textHash} is no hash of a text`);
  return name as PartName;
}

/** SHA-256 of the text of a part or part list. */
export function textHashOf(name: PartName): string {
  return name.slice(0, 2 * HASH_BYTES);
}

export function packName(name: PartName): Buffer {
  return Buffer.from(textHashOf(name) + name.slice(2 * HASH_BYTES + 1), "hex");
}

export function unpackName(packed: Buffer): PartName {
  return `${packed.toString("hex", 0, HASH_BYTES)}-${packed.toString("hex", HASH_BYTES)}` as PartName;
}
