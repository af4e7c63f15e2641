import packageFile from "../../package.json" with { type: "json" };

/** This program's version, from its package. */
export const VERSION: string = packageFile.version;
/** Name and version, as manifests record it: `handled 0.1.0`. */
export const PROGRAM = `handled ${VERSION}`;
