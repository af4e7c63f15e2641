import packageFile from "../../package.json" with { type: "json" };

/** This program's version, from its package. */
export const VERSION: string = packageFile.version;
/** Name and version, as manifests record it: `handled 0.1.0`. */
export const PROGRAM = `handled ${VERSION}`;

// Sources lie one folder deeper than what is built from them.
const ROOT = new URL(import.meta.url.endsWith(".ts") ? "../../" : "../", import.meta.url);

/** Where a file of the package lies. @param path from the package's root */
export function packagedFile(path: string): URL {
  return new URL(path, ROOT);
}
