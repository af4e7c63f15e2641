import { mkdtemp, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { errorCode } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { isMakerGone, makerTag } from "./maker.ts";

const PREFIX = "handled-swap-";

export interface SwapFolder extends AsyncDisposable {
  readonly path: string;
}

/**
 * A folder for the definitions that a swap carries over; nobody else can read it, and it goes away with the swap. They may
 * hold the passwords of user mappings, so what killed swaps left is removed here too.
 */
export async function makeSwapFolder(runtime: Runtime): Promise<SwapFolder> {
  const parent = runtime.env["TMPDIR"] ?? "/tmp";
  for (const name of await readdir(parent)) {
    const tag = new RegExp(`^${PREFIX}(.+)-[^-]+$`).exec(name)?.[1];
    if (tag !== undefined && (await isMakerGone(tag))) await remove(join(parent, name));
  }
  const path = await mkdtemp(join(parent, `${PREFIX}${await makerTag()}-`));
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
