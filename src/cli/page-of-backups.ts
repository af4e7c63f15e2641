import type { WhichBackups } from "../api/contract/requests.ts";

/** So many backups of a database, newest first; what else is known of it is on every page. */
export function pageOfBackups<Listed extends { readonly backups: readonly { readonly id: string }[] }>(
  listed: Listed,
  { last, before }: WhichBackups,
): { readonly listed: Listed; readonly next: string | null } {
  const at = listed.backups.findIndex(({ id }) => id === before);
  // One that was deleted meanwhile still says by its name when it was.
  const older =
    at >= 0
      ? listed.backups.slice(at + 1)
      : listed.backups.filter(({ id }) => before === undefined || id < before);
  const backups = older.slice(0, last ?? older.length);
  const next = backups.length < older.length ? (backups.at(-1)?.id ?? null) : null;
  return { listed: { ...listed, backups }, next };
}
