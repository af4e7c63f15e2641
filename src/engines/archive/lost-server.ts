import { AppError, isAppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import type { ConnectionSettings } from "../../postgres/connection.ts";
import { connect } from "../../postgres/session.ts";

/**
 * Why a PostgreSQL program failed, when the reason may be its connection, of which its exit code says nothing: asks the
 * server once more. Returns the error of that attempt with the program's own as its cause, or `error` when the server
 * answers.
 */
export async function explainLostServer(
  runtime: Runtime,
  settings: ConnectionSettings,
  error: AppError,
  signal: AbortSignal,
): Promise<AppError> {
  try {
    await using _session = await connect(runtime, settings, signal);
    return error;
  } catch (cause) {
    signal.throwIfAborted();
    if (!isAppError(cause)) throw cause;
    return new AppError(cause.code, `${error.message}: ${cause.message}`, {
      hint: cause.hint,
      cause: error,
      details: { ...error.details, ...cause.details },
    });
  }
}
