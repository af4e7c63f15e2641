import { AppError } from "../errors.ts";
import type { Storage } from "../storage/storage.ts";

/**
 * Reads something and checks it, from the first place that gives it right. Where another than the first did, its `fellBack`
 * hears of it; where none does, the error is that of the first.
 * @param read fails with an AppError when what it finds is missing or not what it should be
 */
export async function firstSound<T>(
  storage: Storage,
  read: (from: Storage) => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  try {
    return await read(storage);
  } catch (error) {
    const { others } = storage;
    if (others === undefined || !(error instanceof AppError)) throw error;
    for (const other of others.storages) {
      signal.throwIfAborted();
      try {
        const found = await read(other);
        others.fellBack({ place: storage.place, to: other.place, error });
        return found;
      } catch (next) {
        // What is wrong where it should be says more than what the copies lack.
        if (!(next instanceof AppError)) throw next;
      }
    }
    throw error;
  }
}
