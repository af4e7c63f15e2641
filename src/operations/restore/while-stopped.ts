import { AppError, isAppError, messageOf } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import {
  type ApplicationCommands,
  startAgain,
  startApplication,
  stopApplication,
  waitUntilHealthy,
} from "../application.ts";

export interface WhileStopped<T> {
  readonly work: () => Promise<T>;
  /** What has happened once the work succeeded, for the message should the application not come up then. */
  readonly done: string;
  /** How to take that back. */
  readonly hint: string | null;
}

/**
 * Stops the application, does the work, starts the application and waits until it is healthy. When stopping or the
 * work fails or is interrupted the application is started again too: what it used was not touched.
 */
export async function whileStopped<T>(
  runtime: Runtime,
  application: ApplicationCommands,
  { work, done, hint }: WhileStopped<T>,
  signal: AbortSignal,
): Promise<T> {
  let result: T;
  try {
    await stopApplication(runtime, application, signal);
    result = await work();
  } catch (error) {
    await startAgain(runtime, application);
    throw error;
  }
  try {
    // Not the caller's signal: an interruption now must not leave the application stopped. The command has its own limit.
    await startApplication(runtime, application, new AbortController().signal);
    await waitUntilHealthy(runtime, application, signal);
  } catch (error) {
    const hints = [isAppError(error) ? error.hint : undefined, hint ?? undefined];
    throw new AppError("application_failed", `${done}, but then: ${messageOf(error)}`, {
      cause: error,
      hint: hints.filter((text) => text !== undefined).join("; "),
    });
  }
  return result;
}
