import { inBucket } from "./in-bucket.ts";
import { freshBucket } from "./object-store.ts";
import { temporaryFolder } from "./temporary-folder.ts";

/**
 * An empty place for a repository: a folder, or where HANDLED_TEST_PLACE is `bucket` one of those, so that the same tests
 * hold for both.
 */
export async function freshPlace(): Promise<{ readonly url: string } & AsyncDisposable> {
  if (inBucket()) return { url: (await freshBucket()).url, [Symbol.asyncDispose]: async () => undefined };
  const folder = await temporaryFolder();
  return { url: folder.path, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
}
