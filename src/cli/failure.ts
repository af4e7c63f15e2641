import { AppError, messageOf } from "../errors.ts";
import type { Output } from "./output.ts";

/** Shows an error as every command does: message and hint, or one line of JSON; the stack only when asked for. */
export function reportFailure(output: Output, error: unknown): void {
  const known =
    error instanceof AppError ? error : new AppError("unexpected", messageOf(error), { cause: error });
  if (output.options.json) {
    const { code, message, hint, details } = known;
    output.json({ error: { code, message, ...(hint === undefined ? {} : { hint }), details } });
  }
  output.error(known.message, known.hint);
  if (output.options.verbose || known.code === "unexpected") {
    for (let cause: unknown = error; cause instanceof Error; cause = cause.cause)
      output.warn(cause.stack ?? cause.message);
  }
}
