import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { AppError, messageOf } from "../errors.ts";
import type { Runtime } from "../lib/runtime.ts";
import { openFilesystem } from "./filesystem.ts";
import type { StorageLocation } from "./location.ts";
import { openS3 } from "./s3/s3.ts";
import type { Storage } from "./storage.ts";

const HINT = "give a folder (`/var/backups/handled`), a `file:///…` or an `s3://bucket/prefix` URL";

/**
 * The storage at a location: a folder (`~/` is the home folder), a `file://` or an `s3://` URL, as users write it. Touches
 * nothing yet. Throws `usage` for anything else.
 */
export function openStorage(runtime: Runtime, location: string | StorageLocation): Storage {
  const given: StorageLocation = typeof location === "string" ? { url: location } : location;
  const { url, keys, lock, asOf } = given;
  if (url.trim() === "") throw new AppError("usage", "open repository: its place is empty", { hint: HINT });
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):\/\//.exec(url)?.[1]?.toLowerCase();
  if (scheme === "s3") return openS3(runtime, given);
  if (keys !== undefined) {
    throw new AppError("usage", `open repository ${url}: it has keys, and is no s3:// URL`, {
      hint: "leave `accessKey` and `secretKey` away, or give the URL of a bucket",
    });
  }
  if (lock !== undefined) throw onlyBuckets(url, "locks objects");
  if (asOf !== undefined) throw onlyBuckets(url, "is read as of an earlier time");
  if (scheme === undefined) return openFilesystem(runtime, expandHome(runtime, url));
  if (scheme === "file") return openFilesystem(runtime, folderOfUrl(url));
  throw new AppError("usage", `open repository: no storage is known for ${scheme}://`, { hint: HINT });
}

function onlyBuckets(url: string, what: string): AppError {
  return new AppError("usage", `open repository ${url}: it is a folder, and only a bucket ${what}`, {
    hint: "a bucket with versioning and object lock keeps what is deleted or overwritten; a folder does not",
  });
}

/** A strategy file has no shell to do this. */
function expandHome(runtime: Runtime, folder: string): string {
  if (folder !== "~" && !folder.startsWith("~/")) return folder;
  const home = runtime.env["HOME"];
  if (home === undefined || home === "") {
    throw new AppError("usage", `open repository ${folder}: the variable HOME is not set`, { hint: HINT });
  }
  return join(home, folder.slice(1));
}

function folderOfUrl(url: string): string {
  try {
    return fileURLToPath(url);
  } catch (cause) {
    throw new AppError("usage", `open repository ${url}: ${messageOf(cause)}`, {
      cause,
      hint: "a file URL of this machine has three slashes: `file:///var/backups/handled`",
    });
  }
}
