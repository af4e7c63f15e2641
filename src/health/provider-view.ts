import { AppError } from "../errors.ts";
import type { ProviderBackup } from "../providers/provider.ts";
import type { ProviderRestoreFile } from "../repository/provider-restore-file.ts";
import type { ProviderFacts } from "./ask-provider.ts";

/** What a managed service has of a database, beside our own backups. */
export interface ProviderView {
  /** Newest first; empty where they cannot be listed. */
  readonly backups: readonly ProviderBackup[];
  /** Why they cannot be listed; null where they can. */
  readonly error: string | null;
  /** From here on any moment is assumed to be restorable. */
  readonly windowFrom: Date;
  /** The restores from it that were checked, newest first. */
  readonly restores: readonly ProviderRestoreFile[];
}

export function providerView(
  facts: ProviderFacts,
  { windowMs, now }: { readonly windowMs: number; readonly now: Date },
  restores: readonly ProviderRestoreFile[],
): ProviderView {
  const isKnown = !(facts instanceof AppError);
  return {
    backups: isKnown ? facts : [],
    error: isKnown ? null : facts.message,
    windowFrom: new Date(now.getTime() - windowMs),
    restores,
  };
}
