import { AppError } from "../errors.ts";

// A segment that is empty, `.` or `..`.
const BAD = /(?:^|\/)\.{0,2}(?:\/|$)|\0/;

/** Whether a name that somebody else may have given can be a key. */
export function isKey(key: string): boolean {
  return !BAD.test(key);
}

/**
 * Refuses a key that could leave the storage's place or name something twice. Keys come from code and from manifests;
 * a manifest may have been tampered with, so this is what keeps `../../etc` out of reach.
 */
export function checkKey(key: string): void {
  if (!isKey(key))
    throw new AppError("unexpected", `use storage key ${JSON.stringify(key)}: not a relative path`);
}

/** A prefix is empty, or a key followed by `/`. */
export function checkPrefix(prefix: string): void {
  if (prefix === "") return;
  if (!prefix.endsWith("/")) {
    throw new AppError("unexpected", `use storage prefix ${JSON.stringify(prefix)}: it must end in /`);
  }
  checkKey(prefix.slice(0, -1));
}

/** The folder part of a key, with its final `/`; empty for a key at the top. */
function folderOf(key: string): string {
  return key.slice(0, key.lastIndexOf("/") + 1);
}

/** Refuses a link that would point out of its own folder: it would break when the folder is moved. */
export function checkSibling(key: string, target: string): void {
  checkKey(target);
  if (folderOf(key) !== folderOf(target) || key === target) {
    throw new AppError("unexpected", `link ${key} to ${target}: not another object of the same folder`);
  }
}
