import { AppError, isAppError } from "../errors.ts";
import type { Storage } from "../storage/storage.ts";
import { STRATEGY_KEY } from "./layout.ts";
import type { Repository } from "./repository.ts";

/** What became of keeping a strategy. */
export type Kept = "written" | "unchanged" | "secret";

/**
 * Keeps the text of a strategy in a repository, so that a machine that has nothing else can read it. It is written only where it
 * changed. One with secrets in it is kept only where it is sealed; needs no lease. Errors: those of the storage.
 * @param hasSecrets whether passwords are written in it, rather than the names of variables
 */
export async function keepStrategy(
  { storage, file }: Repository,
  { text, hasSecrets }: { readonly text: string; readonly hasSecrets: boolean },
  signal: AbortSignal,
): Promise<Kept> {
  if (hasSecrets && file.sealing === undefined) return "secret";
  const data = Buffer.from(text);
  if ((await readStored(storage, signal))?.equals(data) === true) return "unchanged";
  await storage.put(STRATEGY_KEY, data, signal);
  return "written";
}

async function readStored(storage: Storage, signal: AbortSignal): Promise<Buffer | undefined> {
  try {
    return await storage.get(STRATEGY_KEY, signal);
  } catch (error) {
    // One that is damaged, or that other keys open, is written anew.
    const unknown = ["object_missing", "backup_damaged", "wrong_key"];
    if (isAppError(error) && unknown.includes(error.code)) return undefined;
    throw error;
  }
}

/** The text of the strategy that a repository keeps; undefined where it keeps none. Errors: `wrong_key`, and those of the storage. */
export async function readKeptStrategy(
  { storage, place }: Repository,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(await storage.get(STRATEGY_KEY, signal));
  } catch (error) {
    if (isAppError(error, "object_missing")) return undefined;
    if (isAppError(error)) throw error;
    throw new AppError("backup_damaged", `read the strategy in ${place}: it is not UTF-8 text`, {
      cause: error,
    });
  }
}
