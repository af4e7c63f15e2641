import { hasLiteralPassword } from "../config/literal-password.ts";
import { AppError } from "../errors.ts";
import { olderHint } from "../operations/older-backup.ts";
import { quoteForShell } from "../operations/schedule/quoting.ts";
import type { Cli } from "./cli.ts";
import type { PlaceOptions } from "./targets.ts";

/** The options that said where to look, to be typed again as they are, but no password. Empty, or begins with a space. */
export function placesTyped({ config, runtime }: Cli, { url, repository = [] }: PlaceOptions): string {
  return typed([
    ...(config === undefined ? [] : (["--config", config] as const)),
    ...(url === undefined ? [] : (["--url", url] as const)),
    ...repository.flatMap((place) => ["--repository", place]),
    ...runtime.keys.identityFiles.flatMap((file) => ["--identity", file]),
  ]);
}

/** Options and their values as a shell takes them. */
export function typed(words: readonly string[]): string {
  return words.map((word) => ` ${hasLiteralPassword(word) ? "…" : quoteForShell(word)}`).join("");
}

/**
 * Makes the hint at an older backup one that can be typed as it stands.
 * @param where what `placesTyped` gives, and what else was asked for
 */
export function hintInFull(error: unknown, where: string): unknown {
  if (!(error instanceof AppError)) return error;
  const { older, database } = error.details;
  if (typeof older !== "string" || typeof database !== "string") return error;
  const { code, message, details } = error;
  return new AppError(code, message, {
    cause: error,
    details,
    hint: olderHint({ database, id: older }, where),
  });
}
