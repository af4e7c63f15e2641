import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { AppError, messageOf } from "../errors.ts";
import type { Runtime } from "../lib/runtime.ts";
import { openFilesystem } from "./filesystem.ts";
import type { Storage } from "./storage.ts";

const HINT = "give a folder (`/var/backups/handled`) or a `file:///…` URL";

/**
 * The storage at a location as users write it: a folder (`~/` is the home folder) or a `file://` URL. Touches nothing
 * yet. Throws `usage` for anything else.
 */
export function openStorage(runtime: Runtime, location: string): Storage {
  if (location.trim() === "")
    throw new AppError("usage", "open repository: its place is empty", { hint: HINT });
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):\/\//.exec(location)?.[1]?.toLowerCase();
  if (scheme === undefined) return openFilesystem(runtime, expandHome(runtime, location));
  if (scheme === "file") return openFilesystem(runtime, folderOfUrl(location));
  throw new AppError("usage", `open repository: no storage is known for ${scheme}://`, { hint: HINT });
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
