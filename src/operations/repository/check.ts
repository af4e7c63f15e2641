import { AppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { counted } from "../../lib/text.ts";
import { databaseFolder, REPOSITORY_FILE } from "../../repository/layout.ts";
import type { Repository } from "../../repository/repository.ts";
import type { Storage } from "../../storage/storage.ts";
import { askedFor } from "./asked-for.ts";
import { type CheckedDatabase, checkDatabase } from "./check-database.ts";
import { ITEMS_KEPT, type RepositoryFinding } from "./finding.ts";
import { openDespite } from "./open-despite.ts";

export interface CheckRequest {
  readonly storage: Storage;
  /** Null: every database in it. */
  readonly names: readonly string[] | null;
  /** First word of the archives' file names. */
  readonly prefix: string;
}

export interface PlaceCheck {
  readonly place: string;
  /** Whether rows and definitions are sealed, so that only an identity opens them. */
  readonly encrypted: boolean;
  readonly databases: readonly string[];
  /** Backups whose index can be read, and the parts and part lists that they name. */
  readonly backups: number;
  readonly objects: number;
  readonly findings: readonly RepositoryFinding[];
}

/**
 * Looks whether everything in a repository that should be there is, in the size it should have, and what else is there.
 * Reads indexes, tables and part lists, and no rows: only a verification proves bytes. Changes nothing. Fails with
 * `repository_missing` where there is nothing of ours.
 */
export async function checkRepository(
  runtime: Runtime,
  { storage, names, prefix }: CheckRequest,
  signal: AbortSignal,
): Promise<PlaceCheck> {
  const { repository, fault, sealing } = await openDespite(runtime, storage, signal);
  const findings: RepositoryFinding[] = [];
  if (fault !== undefined) {
    findings.push({
      ...WHOLE,
      id: "repository-file",
      level: "problem",
      message: fault.message,
      hint:
        sealing instanceof AppError
          ? (sealing.hint ?? null)
          : "`handled repository repair` writes a new one; the backups stay as they are",
    });
  }
  const { databases, unknown } = await askedFor(repository, names, signal);
  if (names === null) findings.push(...(await unknownNames(repository, databases, signal)));
  for (const { name, error } of unknown) {
    const { message, hint = null } = error;
    findings.push({ ...WHOLE, id: "unknown-database", level: "problem", database: name, message, hint });
  }
  const checked: CheckedDatabase[] = [];
  for (const name of databases) {
    checked.push(await checkDatabase(runtime, repository, name, prefix, signal));
  }
  return {
    place: repository.place,
    encrypted: repository.storage.location.seal !== undefined,
    databases: checked.map(({ stock }) => stock.database),
    backups: checked.reduce((sum, { stock }) => sum + stock.indexes.length, 0),
    objects: checked.reduce((sum, { stock }) => sum + stock.holdings.size, 0),
    findings: [...findings, ...checked.flatMap((one) => one.findings)],
  };
}

const WHOLE = { database: null, backup: null, items: [] } as const;

/** What lies beside the databases. */
async function unknownNames(
  { storage }: Repository,
  databases: readonly string[],
  signal: AbortSignal,
): Promise<RepositoryFinding[]> {
  const ours = new Set(["system/", ...databases.map(databaseFolder)]);
  const folders = (await storage.folders("", signal)).map((name) => `${name}/`);
  const files = await storage.keys("", "here", signal);
  const unknown = [
    ...folders.filter((name) => !ours.has(name)),
    ...files.filter((key) => key !== REPOSITORY_FILE),
  ];
  if (unknown.length === 0) return [];
  return [
    {
      ...WHOLE,
      id: "unknown-names",
      level: "note",
      message: `${counted(unknown.length, "file or folder", "files and folders")} beside the databases that Handled does not know, and leaves alone`,
      hint: null,
      items: unknown.slice(0, ITEMS_KEPT),
    },
  ];
}
