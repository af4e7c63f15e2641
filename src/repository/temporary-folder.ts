import { mkdtemp, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { errorCode } from "../errors.ts";
import type { Runtime } from "../lib/runtime.ts";
import { isMakerGone, makerTag } from "./maker.ts";

/** What such folders are for; part of their name. */
type FolderPurpose = "swap" | "schema" | "command";

const OURS = /^handled-(?:swap|schema|command)-(.+)-[^-]+$/;

export interface TemporaryFolder extends AsyncDisposable {
  readonly path: string;
}

/**
 * A folder that nobody else can read, and that goes away when it is disposed of. What lies in it may hold passwords (of user
 * mappings, say), so what killed processes left of any such purpose is removed here too.
 */
export async function makeTemporaryFolder(
  runtime: Runtime,
  purpose: FolderPurpose,
): Promise<TemporaryFolder> {
  const parent = runtime.env["TMPDIR"] ?? "/tmp";
  for (const name of await readdir(parent)) {
    const tag = OURS.exec(name)?.[1];
    if (tag !== undefined && (await isMakerGone(tag))) await remove(join(parent, name));
  }
  const path = await mkdtemp(join(parent, `handled-${purpose}-${await makerTag()}-`));
  return { path, [Symbol.asyncDispose]: () => remove(path) };
}

async function remove(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true });
  } catch (error) {
    // Another user's: theirs to remove.
    if (errorCode(error) !== "EACCES" && errorCode(error) !== "EPERM") throw error;
  }
}
