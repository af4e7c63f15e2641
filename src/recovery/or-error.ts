import { type AppError, isAppError } from "../errors.ts";

/** What the work gives, or why it cannot. Throws where the signal ended it, and what is no error of ours. */
export async function orError<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T | AppError> {
  try {
    return await work();
  } catch (error) {
    signal.throwIfAborted();
    if (!isAppError(error)) throw error;
    return error;
  }
}
