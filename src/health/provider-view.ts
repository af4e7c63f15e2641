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

interface Window {
  readonly windowMs: number;
  readonly now: Date;
}

/** From when on the service is assumed to restore any moment: it goes on from a backup, so that none is before its oldest. */
export function assumedWindowFrom(backups: readonly ProviderBackup[], { windowMs, now }: Window): Date {
  const oldest = backups.reduce(
    (least, { createdAt }) => Math.min(least, createdAt.getTime()),
    now.getTime(),
  );
  return new Date(Math.max(oldest, now.getTime() - windowMs));
}

export function providerView(
  facts: ProviderFacts,
  window: Window,
  restores: readonly ProviderRestoreFile[],
): ProviderView {
  const isKnown = !(facts instanceof AppError);
  return {
    backups: isKnown ? facts : [],
    error: isKnown ? null : facts.message,
    windowFrom: isKnown ? assumedWindowFrom(facts, window) : new Date(window.now.getTime() - window.windowMs),
    restores,
  };
}
