import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import type { Readable } from "node:stream";
import { isAgeFile } from "../../lib/age/passphrase.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { readIdentities } from "./key-files.ts";
import { ObjectOpener } from "./sealed-object.ts";
import { opened } from "./sealed-storage.ts";

/** How a file of this machine is read from its beginning: one that age sealed by the identities that are known. */
export async function fileOpener(
  runtime: Runtime,
  path: string,
  signal: AbortSignal,
): Promise<(signal: AbortSignal) => Promise<Readable>> {
  const plain = (openSignal: AbortSignal): Readable => createReadStream(path, { signal: openSignal });
  if (!(await isSealed(path))) return async (openSignal) => await Promise.resolve(plain(openSignal));
  const identities = await readIdentities(runtime, signal);
  return async (openSignal) =>
    await Promise.resolve(opened(plain(openSignal), path, new ObjectOpener(identities)));
}

async function isSealed(path: string): Promise<boolean> {
  await using file = await open(path, "r");
  const { bytesRead, buffer } = await file.read(Buffer.alloc(40), 0, 40, 0);
  return isAgeFile(buffer.subarray(0, bytesRead));
}
