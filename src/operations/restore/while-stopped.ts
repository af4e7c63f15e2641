import { AppError, messageOf } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import {
  type ApplicationCommands,
  startApplication,
  stopApplication,
  waitUntilHealthy,
} from "../application.ts";

// After an interruption the application must come back all the same; its own command has its own limit.
const RESTART_MS = 5 * 60_000;

/**
 * Stops the application, does the work, starts the application and waits until it is healthy. When the work fails or
 * is interrupted the application is started again too: what it used was not touched.
 */
export async function whileStopped<T>(
  runtime: Runtime,
  application: ApplicationCommands,
  work: () => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  await stopApplication(runtime, application, signal);
  let result: T;
  try {
    result = await work();
  } catch (error) {
    await startAgain(runtime, application);
    throw error;
  }
  try {
    await startApplication(runtime, application, signal);
    await waitUntilHealthy(runtime, application, signal);
  } catch (error) {
    const hint = error instanceof AppError ? error.hint : undefined;
    throw new AppError("application_failed", `the database was swapped, but then: ${messageOf(error)}`, {
      cause: error,
      hint: `${hint === undefined ? "" : `${hint}; `}\`handled restore DATABASE --undo\` puts the old database back`,
    });
  }
  return result;
}

async function startAgain(runtime: Runtime, application: ApplicationCommands): Promise<void> {
  try {
    await startApplication(runtime, application, AbortSignal.timeout(RESTART_MS));
  } catch (error) {
    runtime.reporter.warn(`the application was stopped and could not be started again: ${messageOf(error)}`);
  }
}
