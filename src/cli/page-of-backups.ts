import type { BackupsJson } from "../api/contract/answers.ts";
import type { WhichBackups } from "../api/contract/requests.ts";
import type { ListJson } from "../json/look.ts";

/** So many backups of a database, newest first; what else is known of it is on every page. */
export function pageOfBackups({ databases }: ListJson, { last, before }: WhichBackups): BackupsJson {
  let next: string | null = null;
  const pages = databases.map((listed) => {
    const at = listed.backups.findIndex(({ id }) => id === before);
    // One that was deleted meanwhile still says by its name when it was.
    const older =
      at >= 0
        ? listed.backups.slice(at + 1)
        : listed.backups.filter(({ id }) => before === undefined || id < before);
    const backups = older.slice(0, last ?? older.length);
    if (backups.length < older.length) next = backups.at(-1)?.id ?? null;
    return { ...listed, backups };
  });
  return { databases: pages, next };
}
