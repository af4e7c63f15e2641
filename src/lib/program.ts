import { readFileSync } from "node:fs";

const packageFile = new URL("../../package.json", import.meta.url);
const { version } = JSON.parse(readFileSync(packageFile, "utf8")) as { version: string };

/** This program's version, from its package. */
export const VERSION: string = version;
/** Name and version, as manifests record it: `handled 0.1.0`. */
export const PROGRAM = `handled ${VERSION}`;
