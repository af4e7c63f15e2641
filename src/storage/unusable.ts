import { AppError } from "../errors.ts";
import type { Storage } from "./storage.ts";

/**
 * Stands for a place that cannot even be opened (a variable with its keys is not set, say): every method fails with why,
 * so that it is treated as any place that fails, and the others go on.
 */
export function unusableStorage(place: string, cause: AppError): Storage {
  const fail = (): AppError =>
    new AppError("repository_unusable", cause.message, { cause, hint: cause.hint, details: cause.details });
  const never = (): Promise<never> => Promise.reject(fail());
  return {
    place,
    location: { url: place },
    stage: never,
    put: never,
    putIfAbsent: never,
    get: never,
    getMany: never,
    open: never,
    stat: never,
    sizes: never,
    // oxlint-disable-next-line require-yield
    async *list() {
      throw await Promise.resolve(fail());
    },
    keys: never,
    folders: never,
    delete: never,
    link: never,
    sweep: never,
    strays: never,
    freeBytes: never,
  };
}
